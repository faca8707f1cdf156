/**
 * The span of an exchange as `@opentelemetry/api` sees it, for user stages. Made when first asked for, so that an
 * exchange without such stages pays nothing. What it takes is bounded, counted when dropped, and ends up in the record.
 */
import type {
  Attributes,
  AttributeValue,
  Exception,
  Link,
  Span,
  SpanContext,
  SpanStatus,
  TimeInput,
} from '@opentelemetry/api'
import { nowUs, wallUs } from '../core/clock.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { TailValue, UserEvent, UserTail } from './record-layout.ts'

const MAX_ATTRIBUTES = 64
const MAX_EVENTS = 16
const MAX_EVENT_ATTRIBUTES = 16
const MAX_LINKS = 8
const MAX_TEXT = 1024
/** Characters of keys and values together, so that a span stays under the limit of a record. */
const MAX_CHARACTERS = 4096

const INVALID: SpanContext = { traceId: '0'.repeat(32), spanId: '0'.repeat(16), traceFlags: 0 }

/** The span of `x`; the same object at each call. Calls after the exchange finished are ignored. */
export function spanOf(x: Exchange): Span {
  x.bag ??= new Map()
  const known = x.bag.get(ExchangeSpan.KEY)
  if (known instanceof ExchangeSpan) return known
  const made = new ExchangeSpan(x)
  x.bag.set(ExchangeSpan.KEY, made)
  return made
}

export class ExchangeSpan implements Span {
  /** Its place in {@link Exchange.bag}; no stage may have this name. */
  static readonly KEY = 'hopscope:span'
  readonly #exchange: Exchange
  #attributes: Map<string, TailValue> | undefined = undefined
  #events: UserEvent[] = []
  #links: [string, string][] = []
  #status: [number, string] | undefined = undefined
  #name: string | undefined = undefined
  #characters = 0
  #dropped = 0
  #finished = false

  constructor(x: Exchange) {
    this.#exchange = x
  }

  spanContext(): SpanContext {
    const trace = this.#exchange.trace
    return trace === undefined ? INVALID : { traceId: trace.traceId, spanId: trace.spanId, traceFlags: trace.flags & 1 }
  }

  isRecording(): boolean {
    return !this.#finished && this.#exchange.sampled
  }

  setAttribute(key: string, value: AttributeValue): this {
    const kept = this.#finished ? undefined : this.#bounded(key, value)
    this.#attributes ??= new Map()
    if (kept === undefined || (this.#attributes.size >= MAX_ATTRIBUTES && !this.#attributes.has(key))) this.#dropped++
    else this.#attributes.set(key, kept)
    return this
  }

  setAttributes(attributes: Attributes): this {
    for (const [key, value] of Object.entries(attributes)) if (value !== undefined) this.setAttribute(key, value)
    return this
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    const timed = isTime(attributesOrTime)
    const at = timeUs(timed ? attributesOrTime : time)
    const given = timed ? {} : (attributesOrTime ?? {})
    if (this.#finished || this.#events.length >= MAX_EVENTS) {
      this.#dropped++
      return this
    }
    const attributes: [string, TailValue][] = []
    for (const [key, value] of Object.entries(given).slice(0, MAX_EVENT_ATTRIBUTES)) {
      const kept = value === undefined ? undefined : this.#bounded(key, value)
      if (kept !== undefined) attributes.push([key, kept])
    }
    this.#events.push({ name: name.slice(0, MAX_TEXT), timeUs: at, attributes })
    return this
  }

  addLink(link: Link): this {
    if (this.#finished || this.#links.length >= MAX_LINKS) this.#dropped++
    else this.#links.push([link.context.traceId, link.context.spanId])
    return this
  }

  addLinks(links: Link[]): this {
    for (const link of links) this.addLink(link)
    return this
  }

  setStatus(status: SpanStatus): this {
    if (!this.#finished) this.#status = [status.code, (status.message ?? '').slice(0, MAX_TEXT)]
    return this
  }

  updateName(name: string): this {
    if (!this.#finished) this.#name = name.slice(0, 256)
    return this
  }

  /** Ignored: the span ends with its exchange. */
  end(): void {}

  recordException(exception: Exception, time?: TimeInput): void {
    const of = typeof exception === 'string' ? { message: exception } : exception
    const attributes: Attributes = {}
    const type = 'code' in of && of.code !== undefined ? String(of.code) : 'name' in of ? of.name : undefined
    if (type !== undefined) attributes['exception.type'] = type
    if (of.message !== undefined) attributes['exception.message'] = of.message
    if ('stack' in of && of.stack !== undefined) attributes['exception.stacktrace'] = of.stack
    this.addEvent('exception', attributes, time)
  }

  /** What was collected, undefined where nothing was; further calls on the span are ignored. */
  finish(): UserTail | undefined {
    this.#finished = true
    const attributes = this.#attributes === undefined ? [] : [...this.#attributes]
    const tail: UserTail = {
      ...(this.#name !== undefined && { name: this.#name }),
      ...(attributes.length > 0 && { attributes }),
      ...(this.#events.length > 0 && { events: this.#events }),
      ...(this.#links.length > 0 && { links: this.#links }),
      ...(this.#status && { status: this.#status }),
      ...(this.#dropped > 0 && { dropped: this.#dropped }),
    }
    return Object.keys(tail).length === 0 ? undefined : tail
  }

  #bounded(key: string, value: AttributeValue): TailValue | undefined {
    if (key === '' || key.length > 256) return undefined
    const kept = boundedValue(value)
    const size = key.length + (typeof kept === 'string' ? kept.length : Array.isArray(kept) ? kept.join().length : 8)
    if (kept === undefined || this.#characters + size > MAX_CHARACTERS) return undefined
    this.#characters += size
    return kept
  }
}

function boundedValue(value: AttributeValue): TailValue | undefined {
  if (typeof value === 'string') return value.slice(0, MAX_TEXT)
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value === 'boolean') return value
  if (!Array.isArray(value)) return undefined
  const kept: (string | number | boolean)[] = []
  for (const item of value.slice(0, 64)) {
    if (typeof item === 'string') kept.push(item.slice(0, MAX_TEXT))
    else if (typeof item === 'boolean' || (typeof item === 'number' && Number.isFinite(item))) kept.push(item)
  }
  return kept
}

const isTime = (value: unknown): value is TimeInput =>
  typeof value === 'number' || value instanceof Date || (Array.isArray(value) && typeof value[0] === 'number')

/** Microseconds since the epoch. Numbers are epoch milliseconds, or `performance.now()` where that small. */
function timeUs(time: TimeInput | undefined): number {
  if (time === undefined) return wallUs(nowUs())
  if (time instanceof Date) return time.getTime() * 1000
  if (Array.isArray(time)) return time[0] * 1e6 + time[1] / 1000
  return time < performance.timeOrigin ? wallUs(time * 1000) : time * 1000
}
