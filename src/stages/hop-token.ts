/**
 * Guard against loops that addresses cannot show (reverse proxy in a ring, a name that leads back): every request
 * carries a token of each Hopscope process it went through, and a process refuses what carries its own. Beside an app
 * that alone is no loop: a gateway passes the header fields of the request it serves on, and may be called back.
 */
import { randomBytes } from 'node:crypto'
import { ProxyError } from '../core/errors.ts'
import { knownId } from '../core/known-names.ts'
import { ANSWERED, CONTINUE, type Stage } from '../exchange/stage.ts'

const HOP = knownId('hopscope-hop')
/** Longer chains are loops through processes that restart. */
const MAX_HOPS = 32
/** How often a request may come back to the proxies beside an app: each pass of a real loop adds one. */
const MAX_RETURNS = 8

export function hopToken(): Stage {
  // Per process and per proxy: random, so that it says nothing about the host and cannot be guessed for a refusal.
  const token = randomBytes(9).toString('base64url')
  return {
    name: 'hop-token',
    role: 'decide',
    onRequestHead(x) {
      const { headers } = x.request
      const count = headers.countOf(HOP)
      if (count === 0) {
        headers.appendOwn('Hopscope-Hop', token)
        return CONTINUE
      }
      const at = headers.firstOf(HOP)
      const hops = headers.valueAt(at).split(', ')
      const returns = x.direction === 'edge' ? 0 : MAX_RETURNS
      let why = count > 1 ? 'more than one Hopscope-Hop field' : ''
      if (hops.length >= MAX_HOPS) why = `the request came through ${MAX_HOPS} proxies`
      if (timesIn(hops, token) > returns) why = 'the hop token of this proxy is on the request'
      if (why !== '') {
        x.refusal = new ProxyError('loop_detected', 'head', why)
        return ANSWERED
      }
      headers.replaceAt(at, `${headers.valueAt(at)}, ${token}`)
      return CONTINUE
    },
  }
}

function timesIn(hops: readonly string[], token: string): number {
  let times = 0
  for (const hop of hops) if (hop === token) times++
  return times
}
