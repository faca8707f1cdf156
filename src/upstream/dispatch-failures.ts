/** Errors of undici and of what is beneath it → failures with the right blame, phase and retry class. */
import { type ErrorCode, type ErrorPhase, errnoOf, ProxyError } from '../core/errors.ts'
import { upstreamFailure } from '../tls/failures.ts'

/** By the error's code: what it means, and the phase where that is known from it alone. */
const BY_CODE: Readonly<Record<string, readonly [ErrorCode, ErrorPhase | undefined]>> = {
  ENOTFOUND: ['dns_failed', 'dns'],
  EAI_AGAIN: ['dns_failed', 'dns'],
  ECONNREFUSED: ['connection_refused', 'connect'],
  UND_ERR_CONNECT_TIMEOUT: ['connect_timeout', 'connect'],
  ETIMEDOUT: ['connect_timeout', 'connect'],
  EHOSTUNREACH: ['connect_failed', 'connect'],
  ENETUNREACH: ['connect_failed', 'connect'],
  EADDRNOTAVAIL: ['connect_failed', 'connect'],
  EMFILE: ['overloaded', 'connect'],
  ENFILE: ['overloaded', 'connect'],
  UND_ERR_HEADERS_TIMEOUT: ['first_byte_timeout', 'wait'],
  UND_ERR_BODY_TIMEOUT: ['response_idle_timeout', 'receive'],
  UND_ERR_HEADERS_OVERFLOW: ['response_head_too_large', 'wait'],
  UND_ERR_INVALID_ARG: ['dispatch_unsupported', 'queue'],
  UND_ERR_NOT_SUPPORTED: ['dispatch_unsupported', 'queue'],
  UND_ERR_DESTROYED: ['dispatcher_closed', 'queue'],
  UND_ERR_CLOSED: ['dispatcher_closed', 'queue'],
}

/** A body that does not have the length of its head. */
const LENGTHS = new Set(['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'UND_ERR_RES_EXCEEDED_MAX_SIZE'])

/** How far the exchange was. */
export interface Progress {
  /** The request was put on a connection. */
  readonly started: boolean
  /** A response head came, an interim one too. */
  readonly answered: boolean
  readonly phase: ErrorPhase
}

export function dispatchFailure(error: unknown, { started, answered, phase }: Progress): ProxyError {
  const errno = errnoOf(error)
  const message = error instanceof Error ? error.message : ''
  const tunnel = /Proxy response \((\d{3})\)/.exec(message)
  if (tunnel !== null)
    return new ProxyError('egress_refused', 'connect', `status ${tunnel[1]}`, { errno, cause: error })
  // An answer to CONNECT that did not come.
  const known = !started && errno === 'UND_ERR_HEADERS_TIMEOUT' ? BY_CODE.UND_ERR_CONNECT_TIMEOUT : BY_CODE[errno]
  // Past the connect these say that the connection broke.
  if (known !== undefined && !(started && known[1] === 'connect')) {
    return new ProxyError(known[0], known[1] ?? phase, '', { errno, cause: error })
  }
  const malformed = (error as Error | undefined)?.name === 'HTTPParserError' || LENGTHS.has(errno)
  if (malformed) {
    return new ProxyError('bad_response', answered ? 'receive' : 'wait', '', { errno, cause: error })
  }
  if (!started) {
    const tls = isTls(errno, message) ? upstreamFailure(error) : undefined
    if (tls !== undefined) return new ProxyError(tls.code, 'tls', tls.detail, { errno, cause: error })
    return new ProxyError('connect_failed', 'connect', '', { errno, cause: error })
  }
  return new ProxyError(answered ? 'upstream_aborted' : 'upstream_reset', phase, '', { errno, cause: error })
}

function isTls(errno: string, message: string): boolean {
  return (
    /^(ERR_TLS|ERR_SSL|CERT_|EPROTO|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_)/.test(errno) || /SSL|TLS/.test(message)
  )
}
