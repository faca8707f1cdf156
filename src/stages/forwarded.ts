/** X-Forwarded-For, -Proto and -Host for reverse-proxy modes. A transparent sidecar leaves them alone. */
import { type HeaderBlock, knownId } from '../core/headers.ts'
import { CONTINUE, type Stage } from '../exchange/stage.ts'

export type ForwardedMode = 'append' | 'overwrite' | 'off'

const FOR = knownId('x-forwarded-for')
const PROTO = knownId('x-forwarded-proto')
const HOST = knownId('x-forwarded-host')

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

/** A second field of the client's must not stay behind ours: a server may believe either. */
function putOnly(headers: HeaderBlock, id: number, name: string, value: string): void {
  if (headers.countOf(id) > 1) headers.dropKnown(id)
  headers.putKnown(id, name, value)
}
