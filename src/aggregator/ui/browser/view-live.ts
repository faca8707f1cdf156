/** The live tail: traces as they go quiet, the latest on top. */
import { ask } from './api.ts'
import type { LiveTrace, TraceSummary } from './api-types.ts'
import { button, h } from './dom.ts'
import { Filters, HTTP, MAX, MIN, ROUTE, SERVICE, STATUS } from './filters.ts'
import { count } from './format.ts'
import { type Line, Lines, lineUrl, ofLive, ofTrace } from './lines.ts'
import { go, type Place } from './location.ts'
import type { View } from './view.ts'

const MOST_LINES = 100_000
/** Dropped at once, since moving a long list costs. */
const SLACK = 5000
const FLUSH_MS = 200
/** What is there already, to begin with. */
const SEED = { lastMs: '900000', limit: '100' }
/** With nothing there yet, asked again so often and so many times; after that the tail will tell. */
const SEED_MS = 300
const SEED_TRIES = 40

export class LiveView implements View {
  readonly element: HTMLElement
  readonly #filters = new Filters([SERVICE, ROUTE, STATUS, HTTP, MIN, MAX])
  readonly #list: Lines
  readonly #status = h('span', { attrs: { 'aria-live': 'off' } })
  readonly #dot = h('span', 'livedot off')
  readonly #pause = button('Pause', '', () => this.#setPaused(!this.#paused), 'Space')
  readonly #empty = h(
    'div',
    'empty',
    h('h2', null, 'No trace yet'),
    h(
      'p',
      null,
      'Traces appear here a moment after their last span. Point a proxy or any OpenTelemetry SDK at this aggregator:',
    ),
    h('p', null, h('code', null, `OTEL_EXPORTER_OTLP_ENDPOINT=http://${location.hostname}:4317`)),
  )
  /** Oldest first; the list shows them the other way round. */
  #all: Line[] = []
  #shown: Line[] = []
  #waiting: Line[] = []
  readonly #seeded = new Map<string, Line>()
  #matches: (line: Line) => boolean = () => true
  #paused = false
  #missed = 0
  #source: EventSource | undefined
  readonly #timer = setInterval(() => this.#flush(), FLUSH_MS)
  #asking: ReturnType<typeof setTimeout> | undefined
  #isClosed = false

  constructor() {
    this.#list = new Lines({
      ...{ label: 'Traces, the latest first', spans: false },
      line: (index) => this.#shown[this.#shown.length - 1 - index]!,
      onOpen: (line) => go(lineUrl(line)),
    })
    this.element = h(
      'div',
      'view',
      this.#filters.element,
      h(
        'div',
        'statusline',
        h('span', null, this.#dot, this.#status),
        h('span', 'spring'),
        this.#pause,
        button('Clear list', '', () => this.#clear()),
      ),
      h('div', 'list-holder', this.#list.rows.element, this.#empty),
    )
    this.#connect()
    void this.#seed()
  }

  show({ query }: Place): void {
    this.#filters.show(query)
    this.#matches = matcher(query)
    this.#shown = this.#all.filter(this.#matches)
    this.#update(0)
    this.#list.rows.toTop()
  }

  focus(): void {
    this.#list.rows.element.focus()
  }

  key(event: KeyboardEvent): boolean {
    const isButton = event.target instanceof HTMLElement && event.target.matches('button, a')
    if (event.key !== ' ' || isButton) return false
    this.#setPaused(!this.#paused)
    return true
  }

  close(): void {
    this.#source?.close()
    clearInterval(this.#timer)
    clearTimeout(this.#asking)
    this.#isClosed = true
    this.#list.rows.close()
  }

  #connect(): void {
    const source = new EventSource('/api/hopscope/live')
    this.#source = source
    source.addEventListener('trace', (event) => {
      const line = ofLive(JSON.parse((event as MessageEvent<string>).data) as LiveTrace)
      this.#waiting.push(line)
      if (this.#waiting.length > MOST_LINES) this.#waiting.splice(0, SLACK)
    })
    source.addEventListener('missed', (event) => {
      this.#missed += Number((event as MessageEvent<string>).data) || 0
    })
    source.addEventListener('open', () => this.#tell())
    source.addEventListener('error', () => this.#tell())
  }

  /** What is there already. A trace that is still growing is found here, and is on the tail only once it is quiet. */
  async #seed(tries = SEED_TRIES): Promise<void> {
    const query = new URLSearchParams(SEED)
    const answer = await ask<{ traces: TraceSummary[] }>('search', query, AbortSignal.timeout(10_000)).catch(() => null)
    if (this.#isClosed) return
    if (answer !== null && answer.traces.length === 0 && this.#all.length === 0 && tries > 0) {
      this.#asking = setTimeout(() => void this.#seed(tries - 1), SEED_MS)
      return
    }
    const known = new Set([...this.#all, ...this.#waiting].map(({ traceId }) => traceId))
    const lines = (answer?.traces ?? []).filter(({ traceId }) => !known.has(traceId)).map(ofTrace)
    for (const line of lines) this.#seeded.set(line.traceId, line)
    lines.sort((a, b) => a.startMs - b.startMs)
    this.#all.unshift(...lines)
    this.#shown = this.#all.filter(this.#matches)
    this.#update(0)
  }

  #flush(): void {
    if (this.#paused || document.hidden) {
      if (this.#waiting.length > 0) this.#tell()
      return
    }
    if (this.#waiting.length === 0) return
    const came = this.#waiting
    this.#waiting = []
    this.#dropSeeds(came)
    for (const line of came) this.#all.push(line)
    const matching = came.filter(this.#matches)
    for (const line of matching) this.#shown.push(line)
    for (const lines of [this.#all, this.#shown]) if (lines.length > MOST_LINES + SLACK) lines.splice(0, SLACK)
    this.#update(matching.length)
  }

  /** What was found unfinished at the start, and went quiet since. */
  #dropSeeds(came: readonly Line[]): void {
    const old = came.flatMap(({ traceId }) => this.#seeded.get(traceId) ?? [])
    if (old.length === 0) return
    for (const { traceId } of old) this.#seeded.delete(traceId)
    this.#all = this.#all.filter((line) => !old.includes(line))
    this.#shown = this.#shown.filter((line) => !old.includes(line))
  }

  #update(inserted: number): void {
    let most = 0
    for (const { durationUs } of this.#shown.slice(-200)) most = Math.max(most, durationUs)
    this.#list.setScale(most)
    this.#list.rows.update(this.#shown.length, inserted)
    this.#empty.hidden = this.#all.length > 0
    this.#tell()
  }

  #tell(): void {
    const open = this.#source?.readyState === EventSource.OPEN
    this.#dot.className = `livedot${!open ? ' off' : this.#paused ? ' paused' : ''}`
    const parts = [
      !open ? 'not connected, trying again' : this.#paused ? `paused, ${count(this.#waiting.length)} waiting` : 'live',
      `${count(this.#shown.length)} of ${count(this.#all.length)} traces`,
      ...(this.#missed > 0 ? [`${count(this.#missed)} missed: too many for this page`] : []),
    ]
    this.#status.textContent = parts.join(' · ')
  }

  #setPaused(paused: boolean): void {
    this.#paused = paused
    this.#pause.textContent = paused ? 'Go on' : 'Pause'
    this.#pause.setAttribute('aria-pressed', String(paused))
    this.#flush()
    this.#tell()
  }

  #clear(): void {
    this.#all = []
    this.#shown = []
    this.#update(0)
  }
}

/** What the tail can tell of a trace is its head and its length. */
function matcher(query: URLSearchParams): (line: Line) => boolean {
  const text = (name: string): string => query.get(name) ?? ''
  const [service, route, status, http] = [text('service'), text('route'), text('status'), text('http')]
  const [minUs, maxUs] = [Number(text('minMs')) * 1000, Number(text('maxMs') || 'Infinity') * 1000]
  const httpMatches = httpMatcher(http)
  return (line) =>
    (service === '' || line.services.includes(service)) &&
    (route === '' || line.route === route || line.name.includes(route)) &&
    (status === '' || line.failed === (status === 'error')) &&
    (http === '' || httpMatches(line.http)) &&
    !(line.durationUs < minUs) &&
    !(line.durationUs > maxUs)
}

function httpMatcher(text: string): (http: number) => boolean {
  const [, from, to] = /^(\d{3})-(\d{3})$/.exec(text) ?? []
  if (from !== undefined) return (http) => http >= Number(from) && http <= Number(to)
  if (/^\dxx$/.test(text)) return (http) => Math.floor(http / 100) === Number(text[0])
  return (http) => http === Number(text)
}
