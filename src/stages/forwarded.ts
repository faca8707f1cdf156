/** X-Forwarded-For, -Proto and -Host for reverse-proxy modes. A transparent sidecar leaves them alone. */
import { knownId } from '../core/headers.ts'
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
      const before = append ? headers.known(FOR) : undefined
      headers.putKnown(FOR, 'X-Forwarded-For', before === undefined || before === '' ? peer : `${before}, ${peer}`)
      if (!append || headers.countOf(PROTO) === 0) headers.putKnown(PROTO, 'X-Forwarded-Proto', x.connection.scheme)
      if (x.request.host !== '' && (!append || headers.countOf(HOST) === 0)) {
        headers.putKnown(HOST, 'X-Forwarded-Host', x.request.host)
      }
      return CONTINUE
    },
  }
}
