/**
 * The one table of everything that can go wrong on the data path. A code is stable: logs, spans, problem+json,
 * metrics and `hopscope explain` use it, and `docs/errors.md` is generated from here.
 */

/** Who is at fault: the client side, the server side, or the proxy itself. */
export type ErrorSource = 'downstream' | 'upstream' | 'internal'

/** The timed part of a hop in which the failure happened; `head` is the request head, before any attempt. */
export type ErrorPhase = 'head' | 'queue' | 'dns' | 'connect' | 'tls' | 'send' | 'wait' | 'receive' | 'tunnel'

/**
 * Whether another attempt may follow. `safe`: no byte of the request reached the upstream. `if-reused`: only when
 * the connection was a reused one and the request may be repeated (RFC 9110 §9.2.2). `never`: the outcome is
 * unknown or the answer would be the same.
 */
export type RetryClass = 'never' | 'safe' | 'if-reused'

interface CodeFacts {
  readonly status: number
  readonly source: ErrorSource
  readonly retry: RetryClass
  /** One sentence for people, sent in problem+json. */
  readonly title: string
  /** What it means, for `hopscope explain`. */
  readonly means: string
  /** What to look at next, for `hopscope explain`. */
  readonly check: string
}

const client = (status: number, title: string, means: string, check: string): CodeFacts => ({
  status,
  source: 'downstream',
  retry: 'never',
  title,
  means,
  check,
})
const server = (status: number, retry: RetryClass, title: string, means: string, check: string): CodeFacts => ({
  status,
  source: 'upstream',
  retry,
  title,
  means,
  check,
})
const own = (status: number, title: string, means: string, check: string): CodeFacts => ({
  status,
  source: 'internal',
  retry: 'never',
  title,
  means,
  check,
})

/** Every error code with its HTTP status, blame, retry class and explanation. */
export const ERROR_CODES = {
  bad_request_line: client(
    400,
    'The request line is malformed',
    'The first line is not `METHOD SP target SP HTTP/1.x CRLF` (RFC 9112 §3).',
    'Look at the client: proxies, hand-written HTTP code and port scanners send such lines.',
  ),
  bad_version: client(
    505,
    'The HTTP version is not supported here',
    'The request line names a version other than HTTP/1.0 or HTTP/1.1.',
    'The client may speak HTTP/2 in clear text without its preface, or something that is not HTTP.',
  ),
  bad_method: client(
    400,
    'The method is not a token',
    'The method has characters outside RFC 9110 §5.6.2 token, or is too long.',
    'Look at the client that built the request.',
  ),
  bad_target: client(
    400,
    'The request target is malformed',
    'The target is empty, has spaces, control or non-ASCII characters, a fragment, or a form its method may not use.',
    'Percent-encode the path; send `*` with OPTIONS only; use authority-form with CONNECT only.',
  ),
  target_too_long: client(
    414,
    'The request target is too long',
    'The request line is over `limits.requestLineBytes`.',
    'Move the data into a body, or raise the limit.',
  ),
  head_too_large: client(
    431,
    'The request head is too large',
    'The head is over `limits.headBytes` or has more fields than `limits.headFields`.',
    'Usually cookies or a token that grew. Raise the limit only if the upstream takes such heads too.',
  ),
  bad_header: client(
    400,
    'A header field is malformed',
    'A name is empty or not a token, there is space before the colon, a value has control characters, a line is folded, or ends in a bare CR or LF (RFC 9112 §5).',
    'Look at the client that built the request: each of these is used for request smuggling.',
  ),
  bad_host: client(
    400,
    'The Host header is missing, repeated or malformed',
    'HTTP/1.1 wants exactly one Host, equal to the authority of an absolute-form target (RFC 9112 §3.2).',
    'Look at the client, or at a proxy before this one that adds a second Host.',
  ),
  bad_framing: client(
    400,
    'The length of the body is in doubt',
    'Content-Length and Transfer-Encoding together, several or malformed Content-Length, or a Transfer-Encoding other than `chunked` (RFC 9112 §6).',
    'This is how requests are smuggled. Look at the client and at proxies before this one.',
  ),
  bad_chunk: client(
    400,
    'A chunk of the body is malformed',
    'A chunk size is not plain hex, a chunk line or its end is not CRLF, or extensions are too long (RFC 9112 §7.1).',
    'Look at the client that built the body.',
  ),
  bad_trailer: client(
    400,
    'A trailer field is malformed',
    'A trailer has a bad name or value, or trailers are over the head limits.',
    'Look at the client that built the body.',
  ),
  bad_connection_option: client(
    400,
    'The Connection header names a field that it may not',
    'Connection may not nominate Host, Content-Length, Authorization, Cookie, forwarding or trace fields: they would be stripped on the way.',
    'Look at the client: this is a known attack on proxies (hop-by-hop header abuse).',
  ),
  bad_upgrade: client(
    400,
    'The upgrade request is malformed',
    'A WebSocket handshake needs GET, HTTP/1.1, version 13 and a 16-byte key (RFC 6455 §4.1).',
    'Look at the WebSocket client.',
  ),
  bad_expect: client(
    417,
    'The expectation cannot be met',
    'Expect has a value other than `100-continue` (RFC 9110 §10.1.1).',
    'Remove the Expect header.',
  ),
  connect_refused: client(
    405,
    'CONNECT is not allowed here',
    'This proxy does not tunnel for CONNECT in this mode.',
    'Remove the proxy setting of the client, or dial the destination directly.',
  ),
  head_timeout: client(
    408,
    'The request head was not complete in time',
    'The first byte came, and the whole head did not within `timeouts.headMs`.',
    'A slow or broken client, or a slow-loris attack.',
  ),
  body_timeout: client(
    408,
    'The request body stopped coming',
    'No byte of the body for `timeouts.bodyIdleMs`, or less than 240 bytes a second after 10 seconds.',
    'A slow or broken client or network.',
  ),
  client_closed: client(
    499,
    'The client closed the connection before the response was complete',
    'A FIN or RST came from the client while the exchange was going on.',
    'A timeout of the client shorter than the upstream takes, or a person who left the page.',
  ),
  client_too_slow: client(
    499,
    'The client stopped reading the response',
    'No byte could be written to the client for `timeouts.slowReaderMs`.',
    'A stuck client, or a slow-read attack.',
  ),
  loop_detected: client(
    508,
    'The request came back to this proxy',
    'The request carries the hop token of this very process, or its destination is one of its own listeners.',
    'The upstream address points at the proxy. In a pod: check the redirect rules with `hopscope iptables check` and that the app does not run as the proxy user.',
  ),
  destination_refused: client(
    403,
    'The destination is not allowed',
    'An inbound connection was meant for an address that is not one of this host, or for the proxy itself.',
    'Someone dials the proxy port directly or uses it as a relay.',
  ),
  destination_unknown: own(
    502,
    'The original destination could not be read',
    'getsockopt(SO_ORIGINAL_DST) failed: the connection did not come through a REDIRECT rule.',
    'Check the rules with `hopscope iptables check`; do not dial the proxy port directly.',
  ),
  dns_failed: server(
    502,
    'safe',
    'The name of the upstream could not be resolved',
    'The resolver answered with an error or no address.',
    'Resolve the name on this host; look at resolv.conf, search domains and the DNS service.',
  ),
  dns_timeout: server(
    504,
    'safe',
    'The resolver did not answer in time',
    'No answer within `timeouts.dnsMs`.',
    'Look at the DNS service and the network to it.',
  ),
  connection_refused: server(
    502,
    'safe',
    'The upstream refused the connection',
    'The host answered the SYN with RST: nothing listens on that port.',
    'Is the server up, and does it listen on this address and port?',
  ),
  connect_failed: server(
    502,
    'safe',
    'The connection to the upstream could not be made',
    'The dial failed with the errno named (no route, unreachable, no free port).',
    'EADDRNOTAVAIL: no free port on this host. EHOSTUNREACH or ENETUNREACH: routes and firewalls.',
  ),
  connect_timeout: server(
    504,
    'safe',
    'The connection to the upstream took too long',
    'No SYN-ACK within `timeouts.connectMs`.',
    'A firewall that drops, a host that is down, or a full accept queue.',
  ),
  tls_failed: server(
    502,
    'safe',
    'The TLS handshake with the upstream failed',
    'The cause is named: certificate, protocol version, cipher or name.',
    'Look at the certificate of the upstream and its trust chain.',
  ),
  tls_timeout: server(
    504,
    'safe',
    'The TLS handshake with the upstream took too long',
    'The connection stood, and the handshake was not done within `timeouts.tlsMs`.',
    'A server that accepts and does not answer: overloaded, or not a TLS server.',
  ),
  upstream_reset: server(
    502,
    'if-reused',
    'The upstream reset or closed the connection before it answered',
    'RST or FIN came after the request was (partly) sent and before a response head.',
    'A crash or restart of the upstream, or its keep-alive timeout is shorter than `upstream.idleMs`.',
  ),
  upstream_aborted: server(
    502,
    'never',
    'The upstream broke off in the middle of its response',
    'The connection ended before the body was complete.',
    'A crash, a timeout or a bug of the upstream, or of something between.',
  ),
  send_timeout: server(
    504,
    'never',
    'The upstream stopped taking the request',
    'Bytes of the request waited for `timeouts.responseIdleMs` and the upstream took none.',
    'The upstream is stuck or does not read bodies: look at its own spans, its threads, its disk.',
  ),
  first_byte_timeout: server(
    504,
    'never',
    'The upstream did not begin its answer in time',
    'The request was sent, no byte came within `timeouts.firstByteMs`.',
    'The upstream is slow or stuck: look at its own spans and at its dependencies.',
  ),
  response_idle_timeout: server(
    504,
    'never',
    'The upstream stopped sending its response',
    'No byte for `timeouts.responseIdleMs` in the middle of a response.',
    'Look at the upstream; a stream that is silent by design needs a longer timeout.',
  ),
  exchange_timeout: server(
    504,
    'never',
    'The exchange took longer than allowed',
    'The whole exchange was over `timeouts.exchangeMs`.',
    'Look at which phase took the time.',
  ),
  bad_response: server(
    502,
    'never',
    'The upstream sent a malformed response',
    'Its status line, header fields or framing break RFC 9112; the detail names the place.',
    'Look at the upstream server; nothing of the response was passed on in doubt.',
  ),
  response_head_too_large: server(
    502,
    'never',
    'The head of the response is too large',
    'It is over `limits.headBytes` or has more fields than `limits.headFields`.',
    'Look at cookies and tracing headers that the upstream sets.',
  ),
  too_many_informational: server(
    502,
    'never',
    'The upstream sent too many 1xx responses',
    'More than 8 interim responses for one request.',
    'Look at the upstream server.',
  ),
  overloaded: own(
    503,
    'The proxy is at its limit',
    'A bound on connections, pending requests or file descriptors was reached, so the request was refused at once.',
    'Raise `limits.connections` or `ulimit -n`, or add capacity; look for a slow upstream that ties connections up.',
  ),
  draining: own(
    503,
    'The proxy is shutting down',
    'The request came after the drain deadline began to close connections.',
    'Retry: another instance takes over.',
  ),
  stage_failed: own(
    500,
    'A stage of the proxy failed',
    'A deciding stage threw an error; the log has it.',
    'Look at the log; for a stage of your own, at its code.',
  ),
  internal_error: own(
    500,
    'The proxy failed',
    'An error that should not happen; the log has it.',
    'Report it with the log line.',
  ),
} as const satisfies Record<string, CodeFacts>

/** A stable error code: a key of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES

/** What is known of the upstream connection at the moment of the failure. */
export interface ConnectionFacts {
  readonly reused: boolean
  /** Microseconds since the connection was made. */
  readonly ageUs: number
  /** Bytes of this request that were handed to the kernel. */
  readonly bytesSent: number
}

/**
 * A failure as a value. Never thrown across the data path; no stack is captured, since network errors are expected
 * events and a stack costs more than the request.
 */
export class ProxyError {
  readonly code: ErrorCode
  readonly phase: ErrorPhase
  /** What exactly was wrong, safe to show to a client: never header values, keys or bodies. */
  readonly detail: string
  /** System error name such as `ECONNREFUSED`, '' where there is none. */
  readonly errno: string
  readonly connection: ConnectionFacts | undefined
  readonly cause: unknown

  constructor(
    code: ErrorCode,
    phase: ErrorPhase,
    detail = '',
    more: { readonly errno?: string; readonly connection?: ConnectionFacts; readonly cause?: unknown } = {},
  ) {
    this.code = code
    this.phase = phase
    this.detail = detail
    this.errno = more.errno ?? ''
    this.connection = more.connection
    this.cause = more.cause
  }

  get source(): ErrorSource {
    return ERROR_CODES[this.code].source
  }

  get retry(): RetryClass {
    return ERROR_CODES[this.code].retry
  }

  /** HTTP status of the response made from this failure. */
  get status(): number {
    return ERROR_CODES[this.code].status
  }

  get title(): string {
    return ERROR_CODES[this.code].title
  }
}

/** The `code` of a Node system error (`ECONNRESET` …), or '' where there is none. */
export function errnoOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : ''
}
