/** Search: traces, or single spans, that match; a hundred thousand spans are fetched as far as one scrolls. */
import { Asking, messageOf } from './api.ts'
import type { SpanLine, TraceSummary } from './api-types.ts'
import { button, h } from './dom.ts'
import { type FilterField, Filters, HTTP, MAX, MIN, ROUTE, SERVICE, STATUS } from './filters.ts'
import { count } from './format.ts'
import { type Line, Lines, lineUrl, ofSpan, ofTrace } from './lines.ts'
import { change, go, type Place } from './location.ts'
import { RangePicker, rangeOf } from './time-range.ts'
import type { View } from './view.ts'

const TRACES = 500
const PAGE = 5000
const MOST_SPANS = 100_000

const MORE: readonly FilterField[] = [
  { name: 'attribute', label: 'attributes', size: 'l', hint: 'key=value; key=value' },
  { name: 'requestId', label: 'request id', size: 'm' },
  { name: 'traceId', label: 'trace id', size: 'm' },
  { name: 'error', label: 'error', size: 'm', hint: 'code or type' },
  { name: 'outcome', label: 'idempotency', size: 'm', hint: 'replay' },
  { name: 'idempotencyKeyHash', label: 'key hash', size: 'm' },
]
const FIELDS = [SERVICE, ROUTE, STATUS, HTTP, MIN, MAX, ...MORE]
const NAMES = FIELDS.map(({ name }) => name)

export class SearchView implements View {
  readonly element: HTMLElement
  readonly #range = new RangePicker()
  readonly #filters = new Filters(FIELDS, h('div', 'field', h('span', null, 'time'), this.#range.element))
  readonly #asking = new Asking()
  readonly #status = h('span', { attrs: { role: 'status' } })
  readonly #kinds = {
    traces: button('Traces', '', () => change({ show: undefined })),
    spans: button('Spans', '', () => change({ show: 'spans' })),
  }
  readonly #holder = h('div', 'list-holder')
  #list: Lines | undefined
  #lines: Line[] = []
  #ids = new Set<string>()
  #spans = false
  #query = new URLSearchParams()
  #hasMore = false
  #busy = false
  #ms = 0

  constructor() {
    this.element = h(
      'div',
      'view',
      this.#filters.element,
      h('div', 'statusline', this.#kinds.traces, this.#kinds.spans, this.#status),
      this.#holder,
    )
  }

  show({ query }: Place): void {
    this.#range.show(query)
    this.#filters.show(query)
    this.#spans = query.get('show') === 'spans'
    this.#kinds.traces.setAttribute('aria-pressed', String(!this.#spans))
    this.#kinds.spans.setAttribute('aria-pressed', String(this.#spans))
    void this.#start(query)
  }

  refresh(): void {
    void this.#start(new URLSearchParams(location.search))
  }

  focus(): void {
    this.#list?.rows.element.focus()
  }

  close(): void {
    this.#asking.stop()
    this.#list?.rows.close()
  }

  async #start(query: URLSearchParams): Promise<void> {
    const { from, to } = rangeOf(query)
    this.#query = new URLSearchParams({ from: String(from), to: String(to) })
    for (const name of NAMES) for (const value of query.getAll(name)) this.#query.append(name, value)
    this.#lines = []
    this.#ids = new Set()
    this.#hasMore = true
    this.#ms = 0
    this.#asking.stop()
    this.#busy = false
    this.#newList()
    await this.#more()
    if (document.activeElement === document.body) this.focus()
  }

  #newList(): void {
    const hadFocus = this.#list?.rows.element === document.activeElement
    this.#list?.rows.close()
    this.#list = new Lines({
      ...{ label: this.#spans ? 'Spans found' : 'Traces found', spans: this.#spans },
      line: (index) => this.#lines[index]!,
      onOpen: (line) => go(lineUrl(line)),
      onEnd: () => void this.#more(),
    })
    this.#holder.replaceChildren(this.#list.rows.element)
    if (hadFocus) this.focus()
  }

  /** The next lines; the API answers the latest first. */
  async #more(): Promise<void> {
    if (this.#busy || !this.#hasMore) return
    this.#busy = true
    this.#tell(true)
    const began = performance.now()
    try {
      const came = this.#spans ? await this.#nextSpans() : await this.#traces()
      if (came === undefined) return
      this.#ms += performance.now() - began
      for (const line of came) this.#lines.push(line)
    } catch (error) {
      this.#hasMore = false
      this.#busy = false
      this.#holder.append(note('This search failed', messageOf(error)))
      this.#status.textContent = ''
      return
    }
    this.#busy = false
    this.#list?.setScale(this.#lines.slice(0, 1000).reduce((most, { durationUs }) => Math.max(most, durationUs), 0))
    this.#tell(false)
    this.#list?.rows.update(this.#lines.length)
    if (this.#lines.length === 0) this.#holder.append(note('Nothing found', 'Try a longer time, or fewer filters.'))
  }

  async #traces(): Promise<Line[] | undefined> {
    this.#query.set('limit', String(TRACES))
    const answer = await this.#asking.ask<{ traces: TraceSummary[] }>('search', this.#query)
    this.#hasMore = false
    return answer?.traces.map(ofTrace)
  }

  async #nextSpans(): Promise<Line[] | undefined> {
    const query = new URLSearchParams(this.#query)
    // Of one id there are few spans, and the API looks for it among traces alone.
    query.delete('traceId')
    query.set('limit', String(PAGE))
    const last = this.#lines.at(-1)
    if (last !== undefined) query.set('to', String(Math.ceil(last.startMs)))
    const answer = await this.#asking.ask<{ spans: SpanLine[] }>('spans', query)
    if (answer === undefined) return undefined
    const fresh = answer.spans.filter(({ traceId, spanId }) => !this.#ids.has(traceId + spanId))
    for (const { traceId, spanId } of fresh) this.#ids.add(traceId + spanId)
    this.#hasMore = answer.spans.length === PAGE && fresh.length > 0 && this.#lines.length + fresh.length < MOST_SPANS
    return fresh.map(ofSpan)
  }

  #tell(busy: boolean): void {
    const what = this.#spans ? 'spans' : 'traces'
    const n = this.#lines.length
    const full = n >= (this.#spans ? MOST_SPANS : TRACES)
    const more = this.#hasMore ? ', more below' : full ? ', the most that is shown: narrow the search for others' : ''
    this.#status.textContent =
      busy && n === 0 ? 'searching…' : `${count(n)} ${what} in ${Math.round(this.#ms)} ms${more}`
  }
}

const note = (title: string, text: string): HTMLElement =>
  h('div', { class: 'empty', attrs: { role: 'alert' } }, h('h2', null, title), h('p', null, text))
