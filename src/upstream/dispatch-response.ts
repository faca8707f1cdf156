/**
 * What undici says of a response → a validated {@link ResponseHead}. The head is put together as text again and read by
 * the same strict reader as any other, so that one place decides on framing and on fields that end at a hop.
 */
import type { Dispatcher } from 'undici'
import { ProxyError } from '../core/errors.ts'
import { HeaderBlock } from '../core/headers.ts'
import type { ResponseHead } from '../core/message.ts'
import { ResponseReader } from '../http/message/response-reader.ts'
import { FAULT, type SectionLimits } from '../http/message/section-reader.ts'

type Raw = Dispatcher.DispatchController['rawHeaders']
type Fields = readonly (readonly [string, string])[]

/** Reads the heads of one attempt. */
export class DispatchedHeads {
  readonly #reader: ResponseReader

  constructor(limits: SectionLimits) {
    this.#reader = new ResponseReader(limits)
  }

  /** `Connection: upgrade` was on the last head. */
  get connectionUpgrade(): boolean {
    return this.#reader.connectionUpgrade
  }

  /** Fill `head`; returns the refusal, where there is one. `parsed` serves where an interceptor left `raw` out. */
  read(
    head: ResponseHead,
    method: string,
    status: number,
    reason: string,
    raw: Raw,
    parsed: object,
  ): ProxyError | undefined {
    const fields = fieldsOf(raw, parsed)
    const broken = fields.some(([name, value]) => /[\r\n]/.test(name) || /[\r\n]/.test(value))
    if (broken || /[\r\n]/.test(reason)) return new ProxyError('bad_response', 'wait', 'a line end in a field')
    const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const text = Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n${lines}\r\n`, 'latin1')
    const length = this.#reader.read(text, 0, text.length, head, method, true)
    if (length === FAULT) return this.#reader.error
    return length === text.length ? undefined : new ProxyError('bad_response', 'wait', 'a malformed head')
  }
}

/** Trailers, undefined where there are none or they are malformed (RFC 9110 §6.5.1: they may be discarded). */
export function trailersOf(raw: Raw, parsed: object): HeaderBlock | undefined {
  const fields = fieldsOf(raw, parsed)
  if (fields.length === 0) return undefined
  try {
    return HeaderBlock.from(fields)
  } catch {
    return undefined
  }
}

function fieldsOf(raw: Raw, parsed: object): Fields {
  if (!Array.isArray(raw)) {
    return Object.entries(raw ?? parsed).flatMap(([name, value]) =>
      (Array.isArray(value) ? value : [value]).map((one) => [name, String(one)] as const),
    )
  }
  const fields: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) fields.push([latin1(raw[i]!), latin1(raw[i + 1]!)])
  return fields
}

function latin1(part: Buffer | string): string {
  return typeof part === 'string' ? part : part.toString('latin1')
}
