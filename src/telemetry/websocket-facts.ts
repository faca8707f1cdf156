/** What was seen of a WebSocket: attributes of its exchange's span, and counters. */
import type { Exchange } from '../exchange/exchange.ts'
import type { WebSocketFacts, WebSocketSide } from '../exchange/ports.ts'
import type { CounterFamily } from './metric-cells.ts'
import type { Metrics } from './metrics.ts'
import type { TailValue } from './record-layout.ts'

type Attribute = readonly [string, TailValue]

/** `startUs`: of the exchange; messages are placed by their distance from it. */
export function webSocketAttributes(facts: WebSocketFacts, startUs: number): Attribute[] {
  const attributes = [
    ...sideAttributes('client', facts.client, startUs),
    ...sideAttributes('server', facts.server, startUs),
  ]
  const closedBy = firstToClose(facts)
  if (closedBy === undefined) return attributes
  const { closeCode, closeReasonBytes } = facts[closedBy]
  return [
    ...attributes,
    ['hopscope.websocket.closed_by', closedBy],
    ['hopscope.websocket.close_code', closeCode],
    ['hopscope.websocket.close_reason_bytes', closeReasonBytes],
  ]
}

/** The other side answers with a Close frame of its own (RFC 6455 §5.5.1). */
function firstToClose({ client, server }: WebSocketFacts): 'client' | 'server' | undefined {
  if (client.closeCode === -1) return server.closeCode === -1 ? undefined : 'server'
  return server.closeCode === -1 || client.closeUs <= server.closeUs ? 'client' : 'server'
}

function sideAttributes(side: 'client' | 'server', facts: WebSocketSide, startUs: number): Attribute[] {
  const key = (name: string): string => `hopscope.websocket.${side}.${name}`
  const attributes: Attribute[] = [
    [key('messages'), facts.messages],
    [key('bytes'), facts.bytes],
  ]
  if (facts.messages > 0) {
    attributes.push(
      [key('texts'), facts.texts],
      [key('largest_bytes'), facts.largest],
      [key('first_message_us'), Math.round(facts.firstUs - startUs)],
      [key('last_message_us'), Math.round(facts.lastUs - startUs)],
    )
  }
  if (facts.fragments > 0) attributes.push([key('fragments'), facts.fragments])
  if (facts.pings > 0) attributes.push([key('pings'), facts.pings])
  if (facts.pongs > 0) attributes.push([key('pongs'), facts.pongs])
  if (facts.closeCode !== -1) attributes.push([key('close_code'), facts.closeCode])
  if (facts.malformed !== '') attributes.push([key('malformed'), facts.malformed])
  return attributes
}

/** Counted when a WebSocket ends. */
export class WebSocketMetrics {
  readonly #messages: CounterFamily
  readonly #bytes: CounterFamily
  readonly #closes: CounterFamily
  readonly #malformed: CounterFamily

  constructor(metrics: Metrics) {
    this.#messages = metrics.counter('hopscope_websocket_messages_total', 'Messages of WebSockets that ended.', 'from')
    this.#bytes = metrics.counter('hopscope_websocket_bytes_total', 'Payload of their data frames.', 'from')
    this.#closes = metrics.counter('hopscope_websocket_closes_total', 'How they ended.', 'code')
    this.#malformed = metrics.counter('hopscope_websocket_malformed_total', 'Sides that broke the rules.', 'reason')
  }

  record(x: Exchange): void {
    const facts = x.webSocket
    if (facts === undefined) return
    for (const side of ['client', 'server'] as const) {
      this.#messages.inc(side, facts[side].messages)
      this.#bytes.inc(side, facts[side].bytes)
      if (facts[side].malformed !== '') this.#malformed.inc(facts[side].malformed)
    }
    const closedBy = firstToClose(facts)
    this.#closes.inc(closedBy === undefined ? 'none' : codeLabel(facts[closedBy].closeCode))
  }
}

/** Those that RFC 6455 §7.4.1 and its registry name by themselves; the ranges of libraries and applications as such. */
function codeLabel(code: number): string {
  if (code >= 1000 && code <= 1015) return String(code)
  return code >= 3000 && code < 4000 ? '3xxx' : code >= 4000 && code < 5000 ? '4xxx' : 'other'
}
