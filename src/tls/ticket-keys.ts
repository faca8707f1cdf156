/** Keys that session tickets are sealed with. Node makes them once a process; here they change, for forward secrecy. */
import { randomBytes } from 'node:crypto'

/** What OpenSSL takes: 16 bytes name, 16 bytes HMAC key, 16 bytes AES key. */
const KEY_BYTES = 48
/** A ticket that outlives its keys costs one full handshake. */
export const ROTATE_MS = 12 * 3600 * 1000

export function newTicketKeys(): Buffer {
  return randomBytes(KEY_BYTES)
}
