/** Codes of HTTP/2 and gRPC. */
import { type CodeFacts, server } from './error-kinds.ts'

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
} as const satisfies Record<string, CodeFacts>
