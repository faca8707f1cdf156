/** Lines of the lists: traces as they go quiet, traces found, spans found. */
import type { LiveTrace, SpanLine, TraceSummary } from './api-types.ts'
import { h } from './dom.ts'
import { clockTime, count, day, duration, hue, nsToMs, whatOf } from './format.ts'
import { urlOf } from './location.ts'
import { VirtualRows, type VirtualRowsOptions } from './virtual-rows.ts'

export interface Line {
  readonly traceId: string
  /** '' where the line is a trace. */
  readonly spanId: string
  readonly startMs: number
  readonly service: string
  readonly name: string
  readonly route: string
  readonly http: number
  readonly durationUs: number
  readonly failed: boolean
  readonly spans: number
  readonly errors: number
  readonly services: readonly string[]
  readonly state: string
  readonly peer: string
  readonly error: string
}

const NO_SPAN = { spanId: '', peer: '', error: '' }

export const ofLive = (trace: LiveTrace): Line => ({
  ...trace,
  ...NO_SPAN,
  startMs: trace.startUs / 1000,
  failed: trace.errors > 0,
})

export const ofTrace = (trace: TraceSummary): Line => ({
  ...trace,
  ...NO_SPAN,
  startMs: nsToMs(trace.startNs),
  failed: trace.errors > 0,
  state: trace.rootSeen ? '' : 'rootless',
})

export const ofSpan = (span: SpanLine): Line => ({
  ...span,
  startMs: nsToMs(span.startNs),
  spans: 1,
  errors: span.failed ? 1 : 0,
  services: [],
  state: span.direction || span.kind,
})

export const lineUrl = ({ traceId, spanId }: Line): string => urlOf(`/trace/${traceId}`, { span: spanId })

export type LinesOptions = Pick<VirtualRowsOptions, 'onKey' | 'onEnd'> & {
  readonly label: string
  readonly spans: boolean
  readonly line: (index: number) => Line
  readonly onOpen: (line: Line) => void
}

const TRACE_HEADS = ['time', 'service', 'name', 'status', 'duration', 'spans', 'errors', 'services', 'state']
const SPAN_HEADS = ['time', 'service', 'name', 'status', 'duration', 'kind', 'to', 'error']
const NUMERIC = new Set(['duration', 'spans', 'errors'])
const WIDE = new Set(['errors', 'services', 'state', 'to', 'error'])

/** A list of lines; `scale` is the duration that fills the cell. */
export class Lines {
  readonly rows: VirtualRows
  readonly #options: LinesOptions
  #scaleUs = 1

  constructor(options: LinesOptions) {
    this.#options = options
    const { label, spans, line, onOpen, onKey, onEnd } = options
    const grid = `list-grid${spans ? ' spans' : ''}`
    const heads = (spans ? SPAN_HEADS : TRACE_HEADS).map((text) => {
      const classes = [NUMERIC.has(text) && 'num', WIDE.has(text) && 'wide'].filter((one) => one !== false)
      return h('div', { class: classes.join(' '), attrs: { role: 'columnheader' } }, text)
    })
    this.rows = new VirtualRows({
      ...{ label, role: 'grid', rowHeight: 26 },
      header: h('div', { class: `rows-head ${grid}`, attrs: { role: 'row' } }, ...heads),
      render: (row, index) => {
        const of = line(index)
        row.className = `row ${grid}${of.failed ? ' failed' : ''}`
        row.replaceChildren(...this.#cells(of))
      },
      onOpen: (index) => onOpen(line(index)),
      ...(onKey !== undefined && { onKey }),
      ...(onEnd !== undefined && { onEnd }),
    })
  }

  setScale(us: number): void {
    this.#scaleUs = Math.max(1, us)
  }

  #cells(line: Line): HTMLElement[] {
    const share = Math.sqrt(Math.min(1, line.durationUs / this.#scaleUs)) * 100
    const shown = whatOf(line)
    const first = [
      cell('mono', clockTime(line.startMs), `${day(line.startMs)} ${clockTime(line.startMs)}`),
      h(
        'div',
        { class: 'svc', css: { '--hue': hue(line.service) }, attrs: { role: 'gridcell', title: line.service } },
        h('span', 'dot'),
        h('span', null, line.service),
      ),
      h(
        'div',
        { attrs: { role: 'gridcell', title: shown } },
        h('a', { attrs: { href: lineUrl(line), tabindex: -1 } }, shown || '(no name)'),
      ),
      h(
        'div',
        { attrs: { role: 'gridcell' } },
        line.http > 0
          ? h('span', `http s${Math.floor(line.http / 100)}`, line.http)
          : line.failed && h('span', 'http s5', 'err'),
      ),
      h(
        'div',
        { class: 'took-cell', attrs: { role: 'gridcell' } },
        h('i', { css: { width: `${share}%` } }),
        duration(line.durationUs),
      ),
    ]
    if (this.#options.spans) {
      return [...first, cell('dim', line.state), cell('wide dim', line.peer), cell('wide bad', line.error)]
    }
    return [
      ...first,
      cell('num', count(line.spans)),
      cell(`num wide${line.errors > 0 ? ' bad' : ' dim'}`, count(line.errors)),
      cell('wide dim', line.services.join(', ')),
      h(
        'div',
        { class: 'wide', attrs: { role: 'gridcell' } },
        line.state !== '' && line.state !== 'complete' && h('span', `state ${line.state}`, line.state),
      ),
    ]
  }
}

const cell = (className: string, text: string, title = text): HTMLElement =>
  h('div', { class: className, attrs: { role: 'gridcell', title } }, text)
