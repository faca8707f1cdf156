/** The WebSocket handshake, as far as a proxy must judge it (RFC 6455 §4). */
import { createHash } from 'node:crypto'
import { knownId } from '../../core/known-names.ts'
import type { RequestHead, ResponseHead } from '../../core/message.ts'

const UPGRADE = knownId('upgrade')
const ACCEPT = knownId('sec-websocket-accept')
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * Whether a 101 agrees with what was asked for: only then does the exchange leave HTTP. A tunnel opened on less is how
 * requests are smuggled past a proxy (CVE-2026-2833).
 */
export function acceptsUpgrade(request: RequestHead, response: ResponseHead, connectionUpgrade: boolean): boolean {
  if (request.upgrade === '' || !connectionUpgrade) return false
  if (response.headers.known(UPGRADE)?.toLowerCase() !== request.upgrade) return false
  const key = request.headers.get('sec-websocket-key') ?? ''
  return response.headers.known(ACCEPT) === acceptOf(key)
}

/** Sec-WebSocket-Accept for a key (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64')
}
