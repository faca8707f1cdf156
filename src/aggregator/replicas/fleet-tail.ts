/** The live tails of the other replicas, read while someone looks at ours. */
import type { ClientRequest } from 'node:http'
import type { Member } from '../../core/members.ts'
import type { LiveTail } from '../query/live-tail.ts'
import type { ReplicaClient } from './client.ts'
import type { Roster } from './roster.ts'
import { LIVE_PATH } from './wire.ts'

const LOOK_EVERY_MS = 500
/** Tails say something every 15 seconds, if only that there is nothing. */
const SILENCE_MS = 35_000
/** Of one event; longer ones are none of ours. */
const MAX_EVENT = 64 * 1024
const EVENT = /^event: (?:trace|missed)\n/

export interface FleetTailOptions {
  readonly roster: Roster
  readonly client: ReplicaClient
  readonly tail: LiveTail
}

export class FleetTail {
  readonly #options: FleetTailOptions
  readonly #open = new Map<string, ClientRequest>()
  readonly #timer: NodeJS.Timeout

  constructor(options: FleetTailOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS)
    this.#timer.unref()
  }

  close(): void {
    clearInterval(this.#timer)
    for (const request of this.#open.values()) request.destroy()
  }

  #look(): void {
    const { tail, roster } = this.#options
    const wanted = tail.readers === 0 ? [] : roster.others
    for (const [name, request] of this.#open) if (!wanted.some((one) => one.name === name)) request.destroy()
    for (const member of wanted) if (!this.#open.has(member.name)) this.#read(member)
  }

  #read(member: Member): void {
    const { client, tail } = this.#options
    const request = client.request(member, { path: LIVE_PATH, timeoutMs: SILENCE_MS })
    this.#open.set(member.name, request)
    const ended = (): void => {
      if (this.#open.get(member.name) === request) this.#open.delete(member.name)
    }
    // Tried again at the next look.
    request.once('error', ended).once('close', ended)
    request.once('response', (response) => {
      if (response.statusCode !== 200) {
        request.destroy()
        return
      }
      let rest = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        const blocks = (rest + text).split('\n\n')
        rest = blocks.pop()!
        if (rest.length > MAX_EVENT) request.destroy()
        const events = blocks.filter((block) => EVENT.test(block))
        if (events.length > 0) tail.relay(events.map((event) => `${event}\n\n`).join(''), events.length)
      })
      response.once('error', ended)
    })
    request.end()
  }
}
