/** The live tail: traces as they go quiet, as server-sent events. A reader that does not keep up misses some, and is told. */
import type { ServerResponse } from 'node:http'
import type { LiveTrace } from '../store/protocol.ts'

const MAX_READERS = 64
const MAX_WAITING_BYTES = 256 * 1024
const PING_MS = 15_000

interface Reader {
  readonly response: ServerResponse
  readonly ping: NodeJS.Timeout
  missed: number
}

export class LiveTail {
  readonly #readers = new Set<Reader>()

  get readers(): number {
    return this.#readers.size
  }

  /** Answers with a stream; false where there are too many. */
  open(response: ServerResponse): boolean {
    if (this.#readers.size >= MAX_READERS) return false
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    response.write('retry: 2000\n\n')
    const ping = setInterval(() => response.write(': ping\n\n'), PING_MS).unref()
    const reader = { response, ping, missed: 0 }
    this.#readers.add(reader)
    response.once('close', () => {
      clearInterval(ping)
      this.#readers.delete(reader)
    })
    return true
  }

  send(traces: readonly LiveTrace[]): void {
    if (this.#readers.size === 0) return
    const text = traces.map((trace) => `event: trace\ndata: ${JSON.stringify(trace)}\n\n`).join('')
    this.relay(text, traces.length)
  }

  /** Events as they are written, `count` of them. */
  relay(text: string, count: number): void {
    for (const reader of this.#readers) {
      if (reader.response.writableLength > MAX_WAITING_BYTES) {
        reader.missed += count
        continue
      }
      if (reader.missed > 0) reader.response.write(`event: missed\ndata: ${reader.missed}\n\n`)
      reader.missed = 0
      reader.response.write(text)
    }
  }

  close(): void {
    for (const { response } of this.#readers) response.end()
  }
}
