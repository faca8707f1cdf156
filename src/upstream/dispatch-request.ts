/** A request as undici's `dispatch` takes it. */
import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { RequestHead } from '../core/message.ts'
import type { DispatchRoute } from './dispatch-route.ts'

/** Fields that undici writes itself or refuses, and those that are between us and the forward proxy. */
const NOT_PASSED = new Set([
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'expect',
  'proxy-authorization',
  'proxy-connection',
])

type Fields = [string, string][]

/** An iterable that is no array. */
class Pairs implements Iterable<[string, string]> {
  readonly #fields: Fields

  constructor(fields: Fields) {
    this.#fields = fields
  }

  [Symbol.iterator](): Iterator<[string, string]> {
    return this.#fields[Symbol.iterator]()
  }
}

/** Without body and timeouts. */
export function dispatchOptions(head: RequestHead, route: DispatchRoute): Dispatcher.DispatchOptions {
  const fields = fieldsOf(head, route)
  return {
    origin: route.origin,
    path: route.absolute === '' ? head.path : `${route.absolute}${pathOf(head)}`,
    method: head.method,
    headers: route.fieldsAsPairs ? new Pairs(fields) : fields.flat(),
    ...(head.upgrade === '' ? {} : { upgrade: head.upgrade }),
    ...(route.serverName === undefined ? {} : { servername: route.serverName }),
  } satisfies Dispatcher.DispatchOptions & { servername?: string }
}

/** Behind an authority: `*` is the empty path there (RFC 9112 §3.2.4). */
const pathOf = ({ path }: RequestHead): string => (path === '*' ? '' : path)

function fieldsOf(head: RequestHead, { absolute, proxyAuthorization }: DispatchRoute): Fields {
  const fields: Fields = []
  for (const [name, value] of head.headers.entries()) {
    const lower = name.toLowerCase()
    // With a target in absolute form, Host says the same (RFC 9112 §3.2.2).
    if (!NOT_PASSED.has(lower) && !(lower === 'host' && absolute !== '')) fields.push([name, value])
  }
  if (absolute !== '') fields.push(['Host', new URL(absolute).host])
  if (proxyAuthorization !== '') fields.push(['Proxy-Authorization', proxyAuthorization])
  if (head.wantsTrailers) fields.push(['TE', 'trailers'])
  return fields
}

/** Bytes of a request body that wait for undici, at most, before the client is paused. */
const HIGH_WATER = 65_536

/** The body of one request, on its way from the client's codec into undici. */
export class RequestBody extends Readable {
  readonly #onWanted: (first: boolean) => void
  #asked = false
  #full = false
  /** Handed over here. */
  pushed = 0

  /** `onWanted` is called when undici begins to read, and when it reads on after {@link accept} had said false. */
  constructor(onWanted: (first: boolean) => void) {
    super({ highWaterMark: HIGH_WATER })
    this.#onWanted = onWanted
    // A failure of the connection is told by undici's handler; it destroys the body with the same error.
    this.on('error', () => {})
  }

  override _read(): void {
    const first = !this.#asked
    if (!first && !this.#full) return
    this.#asked = true
    this.#full = false
    this.#onWanted(first)
  }

  /** Take a copy. False: full. */
  accept(buf: Buffer, start: number, end: number): boolean {
    if (this.destroyed) return true
    this.pushed += end - start
    const room = this.push(Buffer.from(buf.subarray(start, end)))
    if (!room) this.#full = true
    return room
  }

  finish(): void {
    if (!this.destroyed) this.push(null)
  }
}
