/** Rows of a trace: the tree on the left, bars with phases on the right. */
import type { Hop } from './api-types.ts'
import { h } from './dom.ts'
import { duration, hue, ticks, whatOf } from './format.ts'
import { partsOf, type TraceModel, type Zoom } from './trace-model.ts'
import { VirtualRows } from './virtual-rows.ts'

export interface WaterfallOptions {
  readonly model: TraceModel
  /** Spans that a finding is about. */
  readonly found: ReadonlySet<string>
  readonly zoom: Zoom
  readonly onSelect: (hop: Hop) => void
  readonly onKey: (event: KeyboardEvent) => boolean
}

const ROW_HEIGHT = 24
const MAX_INDENT = 24

export class Waterfall {
  readonly rows: VirtualRows
  readonly #options: WaterfallOptions
  readonly #axis = h('div', { class: 'axis', attrs: { role: 'columnheader', 'aria-label': 'time' } })
  #zoom: Zoom

  constructor(options: WaterfallOptions) {
    this.#options = options
    this.#zoom = options.zoom
    const { model } = options
    this.rows = new VirtualRows({
      ...{ label: 'Spans of the trace', role: 'treegrid', rowHeight: ROW_HEIGHT },
      header: h(
        'div',
        { class: 'rows-head wf-grid', attrs: { role: 'row' } },
        h('div', { attrs: { role: 'columnheader' } }, 'service and span'),
        this.#axis,
      ),
      render: (row, at) => this.#render(row, model.rows[at]!),
      onActive: (at) => options.onSelect(model.hops[model.rows[at]!]!),
      onKey: (event, at) => this.#key(event, at),
    })
    this.#drawAxis()
    this.rows.update(model.rows.length)
  }

  setZoom(zoom: Zoom): void {
    this.#zoom = zoom
    this.#drawAxis()
    this.rows.redraw()
  }

  /** Unfolds it where it is hidden. */
  select(spanId: string, tell = false): void {
    const { model } = this.#options
    const index = model.byId.get(spanId)
    if (index === undefined) return
    const before = model.rows.length
    const row = model.rowOf(index)
    if (model.rows.length !== before) this.rows.update(model.rows.length)
    this.rows.setActive(row, { tell })
  }

  foldAll(folded: boolean): void {
    const { model } = this.#options
    const active = model.rows[this.rows.active]
    model.foldAll(folded)
    this.rows.update(model.rows.length)
    if (active !== undefined) this.rows.setActive(Math.max(0, model.rows.indexOf(active)))
  }

  #drawAxis(): void {
    const { fromUs, toUs } = this.#zoom
    this.#axis.replaceChildren(
      ...ticks(fromUs, toUs, 6).map((at) =>
        h('span', { class: 'tick', css: { left: `${((at - fromUs) / (toUs - fromUs)) * 100}%` } }, duration(at)),
      ),
    )
  }

  #toggle(at: number, folded: boolean): void {
    const { model } = this.#options
    model.fold(model.rows[at]!, folded)
    this.rows.update(model.rows.length)
    this.rows.setActive(at)
  }

  #key(event: KeyboardEvent, at: number): boolean {
    const { model, onKey } = this.#options
    const index = model.rows[at]
    if (index !== undefined && !event.shiftKey) {
      const canOpen = model.children(index) > 0
      if (event.key === 'ArrowRight' && canOpen) {
        if (model.isFolded(index)) this.#toggle(at, false)
        else this.rows.setActive(at + 1, { tell: true })
        return true
      }
      if (event.key === 'ArrowLeft') {
        const parent = model.parentOf(index)
        if (canOpen && !model.isFolded(index)) this.#toggle(at, true)
        else if (parent !== undefined) this.rows.setActive(model.rows.indexOf(parent), { tell: true })
        return true
      }
    }
    return onKey(event)
  }

  #render(row: HTMLElement, index: number): void {
    const { model, found } = this.#options
    const hop = model.hops[index]!
    row.className = `row wf-grid${hop.failed ? ' failed' : ''}${hop.gap ? ' gap' : ''}`
    row.setAttribute('aria-level', String(hop.depth + 1))
    const hasChildren = model.children(index) > 0
    if (hasChildren) row.setAttribute('aria-expanded', String(!model.isFolded(index)))
    else row.removeAttribute('aria-expanded')
    row.replaceChildren(this.#name(hop, index, found.has(hop.spanId)), this.#lane(hop))
  }

  #name(hop: Hop, index: number, isFound: boolean): HTMLElement {
    const { model } = this.#options
    const folded = model.isFolded(index)
    const children = model.children(index)
    const fold =
      children === 0
        ? h('span', 'fold')
        : h(
            'button',
            {
              class: 'fold',
              attrs: { type: 'button', tabindex: -1, 'aria-label': folded ? 'unfold' : 'fold' },
              on: { click: () => this.#toggle(model.rows.indexOf(index), !folded) },
            },
            folded ? '▸' : '▾',
          )
    return h(
      'div',
      {
        class: 'wf-name',
        css: { '--depth': String(Math.min(hop.depth, MAX_INDENT)), '--hue': hue(hop.service) },
        attrs: { role: 'gridcell', title: titleOf(hop) },
      },
      fold,
      hop.gap ? null : h('span', 'dot'),
      h('span', 'svc', hop.gap ? 'missing' : hop.service),
      h('span', 'what', hop.gap ? `no span ${hop.spanId} came` : whatOf(hop)),
      folded && h('span', 'badge', `+${model.below(index)}`),
      hop.direction !== '' && h('span', 'tag', hop.direction),
      hop.late && h('span', { class: 'tag warn', attrs: { title: 'came after the trace had been quiet' } }, 'late'),
      isFound && h('span', { class: 'tag warn', attrs: { title: 'there is a finding on it' } }, '!'),
      hop.http > 0 && h('span', `http s${Math.floor(hop.http / 100)}`, hop.http),
      hop.failed && hop.http === 0 && h('span', 'http s5', 'err'),
    )
  }

  #lane(hop: Hop): HTMLElement {
    const { fromUs, toUs } = this.#zoom
    // Far beyond the edges positions would not fit in a float of the layout.
    const at = (us: number): number => Math.min(101, Math.max(-1, ((us - fromUs) / (toUs - fromUs)) * 100))
    const [left, right] = [at(hop.startUs), at(hop.startUs + hop.durationUs)]
    const parts = partsOf(hop).map(({ kind, startUs, us }) => {
      const start = at(startUs)
      return h('i', { class: `part p-${kind}`, css: { left: `${start}%`, width: `${at(startUs + us) - start}%` } })
    })
    const unsure = hop.uncertaintyUs ?? 0
    const [low, high] = [at(hop.startUs - unsure), at(hop.startUs + unsure)]
    return h(
      'div',
      { class: 'lane', attrs: { role: 'gridcell', 'aria-label': spoken(hop) }, css: { '--hue': hue(hop.service) } },
      h(
        'div',
        'clip',
        ...parts,
        hop.failed && h('div', { class: 'bar', css: { left: `${left}%`, width: `${right - left}%` } }),
        high - low > 0.3 && h('div', { class: 'unsure', css: { left: `${low}%`, width: `${high - low}%` } }),
      ),
      right >= 0 && left <= 100 && tookOf(hop, left, Math.min(right, 100)),
    )
  }
}

/** To the right of the bar; what failed has its error where there is room. */
function tookOf(hop: Hop, left: number, right: number): HTMLElement {
  const took = duration(hop.durationUs)
  const text = hop.failed && hop.error !== '' ? `${took}  ${hop.error}` : took
  if (right < 70 || text === took) return h('span', { class: 'took', css: { left: `${right}%` } }, text)
  if (left > 30) return h('span', { class: 'took', css: { right: `${100 - left}%` } }, text)
  return h('span', { class: 'took', css: { left: `${right}%` } }, took)
}

function titleOf(hop: Hop): string {
  if (hop.gap) return `no span ${hop.spanId} came`
  return `${hop.service}  ${whatOf(hop)}\n${hop.kind}${hop.peer === '' ? '' : ` to ${hop.peer}`}, on ${hop.host}`
}

function spoken(hop: Hop): string {
  const parts = hop.phases.map(({ phase, us }) => `${phase} ${duration(us)}`)
  const own = hop.selfUs >= 0 ? [`proxy's own ${duration(hop.selfUs)}`] : []
  return [`from ${duration(hop.startUs)}`, `took ${duration(hop.durationUs)}`, ...parts, ...own].join(', ')
}
