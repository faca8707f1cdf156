/** Codes of HTTP/2 and gRPC. */
import { type CodeFacts, client, server } from './error-kinds.ts'

export const HTTP2_CODES = {
  stream_refused: server(
    503,
    'safe',
    'The upstream refused the stream before it looked at the request',
    'RST_STREAM with REFUSED_STREAM, or a GOAWAY that names an earlier stream as the last one (RFC 9113 §8.7).',
    'The upstream is at its limit of streams, or it is shutting down. The request had no effect; it may be repeated.',
  ),
  stream_reset: server(
    502,
    'never',
    'The upstream reset the stream before it answered in full',
    'RST_STREAM came; its code is the errno: CANCEL, INTERNAL_ERROR, ENHANCE_YOUR_CALM …',
    'Look at the log of the upstream. ENHANCE_YOUR_CALM: it counts this proxy among its attackers.',
  ),
  upgrade_unsupported: server(
    501,
    'safe',
    'The upstream does not take WebSockets over HTTP/2',
    'Its settings lack ENABLE_CONNECT_PROTOCOL (RFC 8441 §3).',
    'Set `upstream.protocol` to http1, or turn extended CONNECT on at the upstream.',
  ),
  deadline_exceeded: server(
    504,
    'never',
    'The deadline of the call passed before it was answered in full',
    'The client said in `grpc-timeout` how long it would wait; after that nobody wants the answer, and the upstream was told to stop.',
    'The phases of the span say where the time went. The client may set its deadlines too short, or spend them before it sends.',
  ),
  bad_grpc_web: client(
    400,
    'The body of a gRPC-Web call is malformed',
    'A body of `application/grpc-web-text` is not base64, or ends within a group of four characters.',
    'Look at the client; or something on the way has changed the body or its Content-Type.',
  ),
} as const satisfies Record<string, CodeFacts>
