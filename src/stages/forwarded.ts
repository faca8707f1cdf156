/**
 * X-Forwarded-For, -Proto and -Host for reverse-proxy modes. A transparent sidecar leaves them alone. `overwrite` leaves
 * nothing that a client said of itself: Forwarded (RFC 7239) goes, and X-Real-IP, where one came, names the peer.
 */
import type { HeaderBlock } from '../core/headers.ts'
import { knownId } from '../core/known-names.ts'
import { CONTINUE, type Stage } from '../exchange/stage.ts'

export type ForwardedMode = 'append' | 'overwrite' | 'off'

const FOR = knownId('x-forwarded-for')
const PROTO = knownId('x-forwarded-proto')
const HOST = knownId('x-forwarded-host')
const FORWARDED = knownId('forwarded')
const REAL_IP = knownId('x-real-ip')

export function forwarded(mode: 'append' | 'overwrite'): Stage {
  const append = mode === 'append'
  return {
    name: 'forwarded',
    role: 'decide',
    onRequestHead(x) {
      const { headers } = x.request
      const peer = x.connection.peer.address
      const before = append ? list(headers) : ''
      putOnly(headers, FOR, 'X-Forwarded-For', before === '' ? peer : `${before}, ${peer}`)
      if (!append || headers.countOf(PROTO) === 0) putOnly(headers, PROTO, 'X-Forwarded-Proto', x.connection.scheme)
      if (x.request.host !== '' && (!append || headers.countOf(HOST) === 0)) {
        putOnly(headers, HOST, 'X-Forwarded-Host', x.request.host)
      }
      if (!append) dropClaims(headers, peer)
      return CONTINUE
    },
  }
}

/** All X-Forwarded-For values as one list: several fields mean the same as one with commas (RFC 9110 §5.3). */
function list(headers: HeaderBlock): string {
  const count = headers.countOf(FOR)
  if (count < 2) return headers.known(FOR) ?? ''
  const values: string[] = []
  for (let i = headers.firstOf(FOR); i < headers.count; i++)
    if (headers.idAt(i) === FOR) values.push(headers.valueAt(i))
  return values.filter((value) => value !== '').join(', ')
}

/** What else a client may say of where it is. X-Real-IP is corrected, not dropped: a server that reads it wants one. */
function dropClaims(headers: HeaderBlock, peer: string): void {
  if (headers.countOf(FORWARDED) > 0) headers.dropKnown(FORWARDED)
  if (headers.countOf(REAL_IP) > 0) putOnly(headers, REAL_IP, 'X-Real-IP', peer)
}

/** A second field of the client's must not stay behind ours: a server may believe either. */
function putOnly(headers: HeaderBlock, id: number, name: string, value: string): void {
  if (headers.countOf(id) > 1) headers.dropKnown(id)
  headers.putKnown(id, name, value)
}
