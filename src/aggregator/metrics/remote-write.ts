/**
 * Prometheus remote write 1.0 (prometheus.io/docs/specs/prw/remote_write_spec): the same series that a scrape gives, pushed
 * at an interval. Counters are cumulative: a push that fails is made good by the next, so that nothing is queued.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { nowUs, wallUs } from '../../core/clock.ts'
import type { Logger } from '../../core/log.ts'
import { FIXED64, MessageWriter, varintLength, writeVarint } from '../../core/protobuf.ts'

export interface RemoteWriteOptions {
  readonly url: string
  readonly everyMs: number
  /** The text of a scrape. */
  readonly scrape: () => Promise<string>
  readonly log: Logger
}

export interface RemoteWrite {
  readonly counters: { pushed: number; failed: number }
  /** A last push, and the end. */
  close(): Promise<void>
}

const TIMEOUT_MS = 10_000
const TRIES = 3
/** Series of one request; receivers bound its size. */
const SERIES_AT_ONCE = 5000

export function startRemoteWrite(options: RemoteWriteOptions): RemoteWrite {
  const counters = { pushed: 0, failed: 0 }
  let failing = false
  const push = async (): Promise<void> => {
    const fault = await pushOnce(options)
    if (fault === undefined) counters.pushed++
    else counters.failed++
    if (fault !== undefined && !failing) options.log.warn({ url: options.url, fault }, 'remote write fails')
    failing = fault !== undefined
  }
  let under: Promise<void> = Promise.resolve()
  let busy = false
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    under = push().finally(() => {
      busy = false
    })
  }, options.everyMs)
  return {
    counters,
    close: async () => {
      clearInterval(timer)
      await under
      await push()
    },
  }
}

/** Undefined where all was taken, else why not. */
async function pushOnce({ url, scrape }: RemoteWriteOptions): Promise<string | undefined> {
  const series = seriesOf(await scrape())
  const timestampMs = Math.round(wallUs(nowUs()) / 1000)
  for (let at = 0; at < series.length; at += SERIES_AT_ONCE) {
    const fault = await post(url, snappy(writeRequest(series.slice(at, at + SERIES_AT_ONCE), timestampMs)))
    if (fault !== undefined) return fault
  }
  return undefined
}

async function post(url: string, body: Uint8Array): Promise<string | undefined> {
  let fault = ''
  for (let tries = 0; tries < TRIES; tries++) {
    if (tries > 0) await sleep(500 * 2 ** tries)
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-protobuf',
          'content-encoding': 'snappy',
          'x-prometheus-remote-write-version': '0.1.0',
        },
        body: body as Uint8Array<ArrayBuffer>,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      const text = (await answer.text()).slice(0, 200)
      if (answer.ok) return undefined
      fault = `${answer.status} ${text}`
      // Only these may be tried again.
      if (answer.status < 500 && answer.status !== 429) return fault
    } catch (error) {
      const cause = (error as { cause?: { message?: string } }).cause?.message
      fault = cause ?? (error instanceof Error ? error.message : String(error))
    }
  }
  return fault
}

export interface Series {
  /** `__name__` among them; by name. */
  readonly labels: readonly (readonly [string, string])[]
  readonly value: number
}

/** The samples of an OpenMetrics text as this program writes it; exemplars and comments are passed over. */
export function seriesOf(text: string): Series[] {
  return text.split('\n').flatMap((line) => {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)/.exec(line)
    if (match === null) return []
    const labels: [string, string][] = [['__name__', match[1]!]]
    for (const [, name, value] of (match[2] ?? '').matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
      // An empty label is the same as none, and refused by some receivers.
      if (value !== '') labels.push([name!, unescaped(value!)])
    }
    labels.sort(([a], [b]) => (a < b ? -1 : 1))
    return { labels, value: numberOf(match[3]!) }
  })
}

const unescaped = (value: string): string => value.replace(/\\(.)/g, (_, one: string) => (one === 'n' ? '\n' : one))

function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text)
}

function writeRequest(series: readonly Series[], timestampMs: number): Buffer {
  const request = new MessageWriter()
  for (const { labels, value } of series) {
    const one = new MessageWriter()
    for (const [name, text] of labels) one.message(1, new MessageWriter().string(1, name).string(2, text))
    const double = Buffer.alloc(9)
    double[0] = 8 + FIXED64
    double.writeDoubleLE(value, 1)
    one.message(2, new MessageWriter().encoded(double).integer(2, timestampMs))
    request.message(1, one)
  }
  return request.finish()
}

const CHUNK = 65_536

/** Snappy's block format (github.com/google/snappy format_description.txt) in literals alone: valid, not smaller. */
export function snappy(bytes: Uint8Array): Uint8Array {
  const chunks = Math.ceil(bytes.length / CHUNK)
  const out = new Uint8Array(varintLength(bytes.length) + bytes.length + chunks * 3)
  let to = writeVarint(out, 0, bytes.length)
  for (let at = 0; at < bytes.length; at += CHUNK) {
    const chunk = bytes.subarray(at, at + CHUNK)
    // 61: the length less one follows in two bytes.
    out[to++] = 61 << 2
    out[to++] = (chunk.length - 1) & 0xff
    out[to++] = (chunk.length - 1) >>> 8
    out.set(chunk, to)
    to += chunk.length
  }
  return out.subarray(0, to)
}
