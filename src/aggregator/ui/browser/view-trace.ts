/** One trace: its waterfall, what is wrong with it, and the span that was chosen. */
import { Asking, messageOf } from './api.ts'
import type { Hop, Trace } from './api-types.ts'
import { traceDiagnosis } from './diagnosis-view.ts'
import { button, copyText, h, shown, toast } from './dom.ts'
import { clockTime, count, day, duration, hue, nsToMs, whatOf } from './format.ts'
import { HopPanel } from './hop-panel.ts'
import { change, type Place, urlOf } from './location.ts'
import { Overview } from './overview.ts'
import { moved, PHASES, TraceModel, type Zoom, zoomedBy, zoomOf, zoomText } from './trace-model.ts'
import type { View } from './view.ts'
import { Waterfall } from './waterfall.ts'

const STATES: Readonly<Record<string, string>> = {
  open: 'spans are still coming',
  complete: 'root and every named parent are here',
  gaps: 'spans that others name as parents never came',
  rootless: 'the first span of it never came',
  cut: 'it has more spans than are read: parents may be among those',
}
/** An open trace is asked for again after so many milliseconds. */
const AGAIN_MS = 2000

interface Drawn {
  readonly trace: Trace
  readonly model: TraceModel
  readonly waterfall: Waterfall
  readonly overview: Overview
  readonly panel: HopPanel
  readonly split: HTMLElement
  zoom: Zoom
}

export class TraceView implements View {
  readonly element = h('div', 'view trace-view')
  readonly #asking = new Asking()
  #asked = ''
  #drawn: Drawn | undefined
  #again = 0

  show({ id, query }: Place): void {
    const raw = query.get('raw') === 'true'
    const asked = `${id} ${raw}`
    if (asked === this.#asked) {
      this.#restore(query)
      return
    }
    this.#asked = asked
    this.#end()
    this.element.replaceChildren(h('p', 'loading', 'Loading the trace…'))
    void this.#load()
  }

  refresh(): void {
    void this.#load()
  }

  focus(): void {
    this.#drawn?.waterfall.rows.element.focus()
  }

  close(): void {
    this.#asking.stop()
    this.#end()
  }

  key(event: KeyboardEvent): boolean {
    const { key } = event
    if (key === 'Escape' && this.#drawn?.split.classList.contains('open')) {
      this.#deselect()
      return true
    }
    return this.#zoomKey(event)
  }

  #end(): void {
    clearTimeout(this.#again)
    this.#drawn?.waterfall.rows.close()
    this.#drawn?.overview.close()
    this.#drawn?.panel.close()
    this.#drawn = undefined
  }

  async #load(): Promise<void> {
    const [id = '', raw] = this.#asked.split(' ')
    try {
      const trace = await this.#asking.ask<Trace>(`trace/${id}`, new URLSearchParams(raw === 'true' ? { raw } : {}))
      if (trace === undefined) return
      const hadFocus = this.#drawn === undefined || this.element.contains(document.activeElement)
      this.#end()
      this.#draw(trace)
      if (hadFocus) this.focus()
      if (trace.state === 'open') this.#again = setTimeout(() => void this.#load(), AGAIN_MS)
    } catch (error) {
      this.#end()
      this.element.replaceChildren(
        h(
          'div',
          { class: 'empty', attrs: { role: 'alert' } },
          h('h2', null, 'This trace cannot be shown'),
          h('p', null, messageOf(error)),
        ),
      )
    }
  }

  #draw(trace: Trace): void {
    const query = new URLSearchParams(location.search)
    const model = new TraceModel(trace.hops)
    const zoom = zoomOf(query.get('t'), trace.durationUs)
    const split = h('div', 'split')
    const setZoom = (next: Zoom): void => this.#setZoom(next)
    this.#drawn = {
      ...{ trace, model, zoom, split },
      overview: new Overview(model, trace.durationUs, setZoom),
      panel: new HopPanel(trace, () => this.#deselect()),
      waterfall: new Waterfall({
        ...{ model, zoom, found: new Set(trace.findings.map(({ spanId }) => spanId)) },
        onSelect: (hop) => this.#select(hop),
        onKey: (event) => this.key(event),
      }),
    }
    const { overview, waterfall, panel } = this.#drawn
    overview.setZoom(zoom)
    split.append(waterfall.rows.element, panel.element)
    this.element.replaceChildren(
      this.#head(trace),
      ...traceDiagnosis(trace.diagnosis, (spanId) => this.#point(spanId)),
      ...this.#findings(trace),
      ...[overview.element, this.#legend(), split],
    )
    const first = trace.hops.find(({ gap }) => !gap)
    document.title = `${first === undefined ? trace.traceId : shown(whatOf(first))} · Hopscope`
    waterfall.rows.update(model.rows.length)
    this.#restore(query)
  }

  /** Selection and zoom as the address has them. */
  #restore(query: URLSearchParams): void {
    const drawn = this.#drawn
    if (drawn === undefined) return
    const zoom = zoomOf(query.get('t'), drawn.trace.durationUs)
    if (zoomText(zoom) !== zoomText(drawn.zoom)) this.#applyZoom(zoom)
    const spanId = query.get('span')
    const index = spanId === null ? undefined : drawn.model.byId.get(spanId)
    drawn.split.classList.toggle('open', index !== undefined)
    if (index === undefined) return
    drawn.waterfall.select(drawn.model.hops[index]!.spanId)
    drawn.panel.show(drawn.model.hops[index]!)
  }

  #select(hop: Hop): void {
    this.#drawn?.split.classList.add('open')
    this.#drawn?.panel.show(hop)
    change({ span: hop.spanId }, { replace: true, quiet: true })
  }

  #deselect(): void {
    this.#drawn?.split.classList.remove('open')
    change({ span: undefined }, { replace: true, quiet: true })
    this.focus()
  }

  /** To the hop that something is said of. */
  #point(spanId: string): void {
    this.#drawn?.waterfall.select(spanId, true)
    this.focus()
  }

  #setZoom(zoom: Zoom): void {
    const drawn = this.#drawn
    if (drawn === undefined) return
    this.#applyZoom(zoom)
    const all = zoom.fromUs <= 0 && zoom.toUs >= drawn.trace.durationUs
    change({ t: all ? undefined : zoomText(zoom) }, { replace: true, quiet: true })
  }

  #applyZoom(zoom: Zoom): void {
    const drawn = this.#drawn!
    drawn.zoom = zoom
    drawn.overview.setZoom(zoom)
    drawn.waterfall.setZoom(zoom)
  }

  #zoomKey({ key, shiftKey }: KeyboardEvent): boolean {
    const drawn = this.#drawn
    if (drawn === undefined) return false
    const { zoom, trace, waterfall } = drawn
    const length = trace.durationUs
    const step = (zoom.toUs - zoom.fromUs) / 5
    if (key === '+' || key === '=') this.#setZoom(zoomedBy(zoom, 0.5, length))
    else if (key === '-') this.#setZoom(zoomedBy(zoom, 2, length))
    else if (key === '0') this.#setZoom({ fromUs: 0, toUs: length })
    else if (shiftKey && key === 'ArrowRight') this.#setZoom(moved(zoom, step, length))
    else if (shiftKey && key === 'ArrowLeft') this.#setZoom(moved(zoom, -step, length))
    else if (key === 'z') this.#zoomToSelected()
    else if (key === 'e') this.#nextFailed()
    else if (key === '[') waterfall.foldAll(true)
    else if (key === ']') waterfall.foldAll(false)
    else return false
    return true
  }

  #zoomToSelected(): void {
    const { model, waterfall, trace } = this.#drawn!
    const hop = model.hops[model.rows[waterfall.rows.active] ?? -1]
    if (hop === undefined) return
    const margin = hop.durationUs * 0.05 + 1
    const zoom = { fromUs: Math.max(0, hop.startUs - margin), toUs: hop.startUs + hop.durationUs + margin }
    this.#setZoom(moved(zoom, 0, trace.durationUs))
  }

  #nextFailed(): void {
    const { model, waterfall } = this.#drawn!
    const from = model.rows[waterfall.rows.active] ?? -1
    const order = [...model.hops.keys()].map((i) => (i + from + 1) % model.hops.length)
    const next = order.find((i) => model.hops[i]!.failed)
    if (next === undefined) toast('no span of it failed')
    else waterfall.select(model.hops[next]!.spanId, true)
  }

  #head(trace: Trace): HTMLElement {
    const first = trace.hops.find(({ gap }) => !gap)
    const ms = nsToMs(trace.startNs)
    const raw = new URLSearchParams(location.search).get('raw') === 'true'
    const rawLink = h('input', {
      attrs: { type: 'checkbox', checked: raw },
      on: { change: () => change({ raw: raw ? undefined : 'true' }) },
    })
    return h(
      'header',
      { class: 'trace-head', css: { '--hue': hue(first?.service ?? '') } },
      h(
        'h1',
        null,
        h('span', 'dot'),
        h('span', 'svc', first?.service ?? '?'),
        h('span', 'what', first === undefined ? '' : whatOf(first)),
      ),
      h(
        'div',
        'stats',
        stat('duration', duration(trace.durationUs)),
        stat('spans', count(trace.spans)),
        stat('errors', count(trace.errors), trace.errors > 0 ? 'bad' : ''),
        stat('services', count(trace.services.length)),
        stat('started', `${day(ms)} ${clockTime(ms)}`),
        h(
          'span',
          { class: `state ${trace.state}`, attrs: { title: STATES[trace.state] ?? '' } },
          trace.state,
          trace.lateSpans > 0 && `, ${trace.lateSpans} late`,
        ),
        h('span', 'spring'),
        h('label', { class: 'check', attrs: { title: 'no clock corrected' } }, rawLink, 'raw clocks'),
        button('copy link', 'quiet', () => copyText(location.href, 'link')),
        button(
          `${trace.traceId.slice(0, 8)}…`,
          'quiet id',
          () => copyText(trace.traceId, 'trace id'),
          `copy trace id ${trace.traceId}`,
        ),
        h(
          'a',
          { class: 'quiet', attrs: { href: urlOf(`/api/hopscope/trace/${trace.traceId}`, {}), target: '_blank' } },
          'JSON',
        ),
      ),
    )
  }

  #findings({ findings, hops, clocks }: Trace): HTMLElement[] {
    const unknown = clocks.filter(({ source }) => source === 'unknown').map(({ host }) => host)
    const shifted = clocks.filter(({ applied }) => applied)
    const notes = [
      ...shifted.map(({ host, offsetUs, uncertaintyUs }) =>
        h('li', null, `clock of ${host} corrected by ${duration(offsetUs)} ± ${duration(uncertaintyUs)}`),
      ),
      ...(unknown.length > 0
        ? [
            h(
              'li',
              null,
              `never compared: ${unknown.slice(0, 5).join(', ')}${unknown.length > 5 ? ` and ${unknown.length - 5} more` : ''}`,
            ),
          ]
        : []),
    ]
    if (findings.length === 0 && notes.length === 0) return []
    const there = new Set(hops.map(({ spanId }) => spanId))
    const items = findings.map(({ kind, spanId, text }) =>
      h(
        'li',
        null,
        h('b', null, kind.replaceAll('-', ' ')),
        ' ',
        there.has(spanId) ? button(text, 'link', () => this.#point(spanId)) : text,
      ),
    )
    const summary = [
      ...(items.length > 0 ? [`${items.length} finding${items.length === 1 ? '' : 's'}`] : []),
      ...(shifted.length > 0 ? [`${shifted.length} clock${shifted.length === 1 ? '' : 's'} corrected`] : []),
      ...(unknown.length > 0 ? [`${unknown.length} clock${unknown.length === 1 ? '' : 's'} unknown`] : []),
    ].join(' · ')
    return [
      h(
        'details',
        { class: `findings${items.length > 0 ? ' has' : ''}`, attrs: { open: items.length > 0 && items.length < 4 } },
        h('summary', null, summary),
        h('ul', null, ...items, ...notes),
      ),
    ]
  }

  #legend(): HTMLElement {
    const item = (kind: string, text: string): HTMLElement => h('span', null, h('i', `swatch p-${kind}`), text)
    return h(
      'div',
      'legend',
      ...PHASES.map((phase) => item(phase, phase)),
      item('self', "proxy's own"),
      item('plain', 'span without phases'),
      item('gap', 'missing'),
    )
  }
}

function stat(name: string, value: string, className = ''): HTMLElement {
  return h('span', 'stat', h('span', 'dim', name), h('b', className, value))
}
