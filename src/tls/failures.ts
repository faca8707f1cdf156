/**
 * Why a handshake failed, as one of our codes. OpenSSL tells of alerts by number in the message, which is the same in all
 * its versions; the words around it are not.
 */
import { type ErrorCode, errnoOf, ProxyError } from '../core/errors.ts'

/** TLS alerts by number (RFC 8446 §6), as far as they tell something. */
const ALERTS: Readonly<Record<number, string>> = {
  10: 'unexpected_message',
  20: 'bad_record_mac',
  22: 'record_overflow',
  40: 'handshake_failure',
  42: 'bad_certificate',
  43: 'unsupported_certificate',
  44: 'certificate_revoked',
  45: 'certificate_expired',
  46: 'certificate_unknown',
  47: 'illegal_parameter',
  48: 'unknown_ca',
  49: 'access_denied',
  50: 'decode_error',
  51: 'decrypt_error',
  70: 'protocol_version',
  71: 'insufficient_security',
  80: 'internal_error',
  86: 'inappropriate_fallback',
  90: 'user_canceled',
  109: 'missing_extension',
  112: 'unrecognized_name',
  116: 'certificate_required',
  120: 'no_application_protocol',
}

/** Alerts that are about the certificate of who receives them. */
const ABOUT_CERTIFICATE: ReadonlySet<number> = new Set([42, 43, 44, 45, 46, 49])
const HANDSHAKE_FAILURE = 40
const UNKNOWN_CA = 48
const PROTOCOL_VERSION = 70
const INSUFFICIENT_SECURITY = 71
const INAPPROPRIATE_FALLBACK = 86
const UNRECOGNIZED_NAME = 112
const CERTIFICATE_REQUIRED = 116
const NO_APPLICATION_PROTOCOL = 120

/** What a TLS error of Node says, taken apart. */
interface Told {
  /** Number of the alert that the peer sent, -1 for none. */
  readonly alert: number
  /** OpenSSL's words in lower case, such as `no shared cipher`. */
  readonly reason: string
  /** Node's or OpenSSL's code: `CERT_HAS_EXPIRED`, `ECONNRESET`. */
  readonly code: string
  readonly message: string
}

function told(error: unknown): Told {
  const message = error instanceof Error ? error.message : ''
  const reason = (error as { reason?: unknown } | undefined)?.reason
  const alert = /SSL alert number (\d+)/.exec(message)?.[1]
  return {
    alert: alert === undefined ? -1 : Number(alert),
    reason: typeof reason === 'string' ? reason.toLowerCase() : '',
    code: errnoOf(error),
    message,
  }
}

/** Words for the detail: the alert, the library's reason, or the message. Never longer than a line. */
function words({ alert, reason, message }: Told): string {
  if (alert >= 0) return `alert ${ALERTS[alert] ?? alert}`
  return (reason !== '' ? reason : message).slice(0, 200)
}

/** The failure of a handshake with a client. `error` undefined: the connection ended without one. */
export function clientFailure(error: unknown): ProxyError {
  const facts = told(error)
  return new ProxyError(clientCode(facts), 'tls', words(facts), { errno: facts.code, cause: error })
}

function clientCode({ alert, reason, code }: Told): ErrorCode {
  if (alert === UNKNOWN_CA) return 'client_tls_rejects_ca'
  if (ABOUT_CERTIFICATE.has(alert)) return 'client_tls_rejects_certificate'
  if (alert === PROTOCOL_VERSION) return 'client_tls_version'
  if (alert >= 0) return 'client_tls_refused'
  if (/unsupported protocol|version too low|no protocols available|inappropriate fallback/.test(reason)) {
    return 'client_tls_version'
  }
  if (/no shared cipher|no suitable|no shared (group|sig)|unknown cipher/.test(reason))
    return 'client_tls_no_shared_cipher'
  if (/did not return a certificate/.test(reason)) return 'client_tls_certificate_required'
  if (code === '' || code === 'ECONNRESET' || code === 'EPIPE') return 'client_tls_aborted'
  return 'client_tls_failed'
}

/** The certificate of a client did not pass; `verdict` is OpenSSL's name for why. */
export function clientCertificateFailure(verdict: string): ProxyError {
  return new ProxyError(CLIENT_VERDICTS[verdict] ?? 'client_tls_certificate_untrusted', 'tls', verdict, {
    errno: verdict,
  })
}

const CLIENT_VERDICTS: Readonly<Record<string, ErrorCode>> = {
  CERT_HAS_EXPIRED: 'client_tls_certificate_expired',
  CERT_NOT_YET_VALID: 'client_tls_certificate_not_yet_valid',
}

/** The failure of a handshake with an upstream. */
export function upstreamFailure(error: unknown): { readonly code: ErrorCode; readonly detail: string } {
  const facts = told(error)
  return { code: upstreamCode(facts), detail: words(facts) }
}

/**
 * Whether an error on an established connection is the upstream's late word on the handshake: in TLS 1.3 it looks at our
 * certificate after we are done (RFC 8446 §4.4.2). Nothing of the request was looked at.
 */
export function lateUpstreamFailure(error: unknown): { readonly code: ErrorCode; readonly detail: string } | undefined {
  const { alert } = told(error)
  const late = ABOUT_CERTIFICATE.has(alert) || alert === UNKNOWN_CA || alert === CERTIFICATE_REQUIRED
  return late ? upstreamFailure(error) : undefined
}

const UPSTREAM_VERDICTS: Readonly<Record<string, ErrorCode>> = {
  CERT_HAS_EXPIRED: 'tls_certificate_expired',
  CERT_NOT_YET_VALID: 'tls_certificate_not_yet_valid',
  CERT_REVOKED: 'tls_certificate_revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls_unknown_ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls_unknown_ca',
  UNABLE_TO_GET_ISSUER_CERT: 'tls_unknown_ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls_unknown_ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls_unknown_ca',
  CERT_UNTRUSTED: 'tls_unknown_ca',
  HOSTNAME_MISMATCH: 'tls_name_mismatch',
  ERR_TLS_CERT_ALTNAME_INVALID: 'tls_name_mismatch',
  ERR_TLS_CERT_ALTNAME_FORMAT: 'tls_bad_certificate',
}

function upstreamCode({ alert, reason, code }: Told): ErrorCode {
  const verdict = UPSTREAM_VERDICTS[code]
  if (verdict !== undefined) return verdict
  if (alert >= 0) return upstreamAlert(alert)
  if (/unsupported protocol|version too low|no protocols available/.test(reason)) return 'tls_version_mismatch'
  if (/wrong version number|packet length too long|http request|unknown protocol|record layer/.test(reason)) {
    return 'tls_not_spoken'
  }
  if (code === '' || code === 'ECONNRESET' || code === 'EPIPE') return 'tls_closed'
  if (!code.startsWith('ERR_') && /CERT|CRL|CA|CHAIN|SIGNATURE|PURPOSE/.test(code)) return 'tls_bad_certificate'
  return 'tls_failed'
}

function upstreamAlert(alert: number): ErrorCode {
  if (ABOUT_CERTIFICATE.has(alert) || alert === UNKNOWN_CA) return 'tls_own_certificate_refused'
  if (alert === CERTIFICATE_REQUIRED) return 'tls_own_certificate_required'
  if (alert === PROTOCOL_VERSION || alert === INAPPROPRIATE_FALLBACK) return 'tls_version_mismatch'
  if (alert === HANDSHAKE_FAILURE || alert === INSUFFICIENT_SECURITY) return 'tls_no_shared_cipher'
  if (alert === UNRECOGNIZED_NAME) return 'tls_unknown_name'
  return alert === NO_APPLICATION_PROTOCOL ? 'tls_no_shared_protocol' : 'tls_failed'
}
