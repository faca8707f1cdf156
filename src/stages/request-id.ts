/** X-Request-ID: kept byte for byte whatever it looks like, made where there is none, echoed on the response. */

import { newUuid } from '../core/ids.ts'
import { knownId } from '../core/known-names.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { CONTINUE, type Stage } from '../exchange/stage.ts'

const REQUEST_ID = knownId('x-request-id')

export function requestId(): Stage {
  return {
    name: 'request-id',
    role: 'decide',
    onRequestHead(x) {
      x.requestId = given(x)
      if (x.requestId !== '') return CONTINUE
      x.requestId = newUuid()
      x.request.headers.putKnown(REQUEST_ID, 'X-Request-ID', x.requestId)
      return CONTINUE
    },
    onRefusedHead(x) {
      x.requestId = given(x) || newUuid()
      return undefined
    },
    onResponseHead(x, head) {
      if (x.requestId === '') return undefined
      // A second one of the upstream's must not stay beside ours.
      if (head.headers.countOf(REQUEST_ID) > 1) head.headers.dropKnown(REQUEST_ID)
      head.headers.putKnown(REQUEST_ID, 'X-Request-ID', x.requestId)
      return undefined
    },
  }
}

const given = (x: Exchange): string => x.request.headers.known(REQUEST_ID) ?? ''
