/** Who calls whom, how often, how well, and how long it takes. */
import type { Edge, ServiceMap } from './api-types.ts'
import { h, svg } from './dom.ts'
import { FiguresView } from './figures-view.ts'
import { count, duration, hue, percent, rate } from './format.ts'
import { go, urlOf } from './location.ts'
import { layout, NODE_HEIGHT, NODE_WIDTH, type Placed } from './map-layout.ts'

const DEFAULT_MS = 300_000
const CLIENTS = '\0clients'
/** With more edges than this, labels are shown for the one that is looked at. */
const MOST_LABELS = 30
/** Share of failures from which an edge is red. */
const UNWELL = 0.01

const from = ({ client }: Edge): string => client ?? CLIENTS
const isUnwell = ({ calls, errors }: { calls: number; errors: number }): boolean =>
  errors > 0 && errors / calls >= UNWELL

export class MapView extends FiguresView {
  readonly #map = h('div', 'map')
  readonly #table = h('div', 'table')

  constructor() {
    super('map-view', DEFAULT_MS)
  }

  protected override async load(query: URLSearchParams): Promise<void> {
    const answer = await this.ask<ServiceMap>('map', query)
    if (answer === undefined) return
    const { edges } = answer
    if (edges.length === 0) {
      this.nothing('No calls in this time', 'An edge appears for each pair of services that call each other.')
      return
    }
    this.#map.replaceChildren(this.#draw(edges))
    this.#table.replaceChildren(tableOf(edges, this.query))
    if (!this.body.contains(this.#map)) this.body.replaceChildren(this.#map, this.#table)
  }

  #draw(edges: readonly Edge[]): SVGSVGElement {
    const ids = [...new Set(edges.flatMap((edge) => [from(edge), edge.server]))]
    const outside = new Set(edges.filter(({ relation }) => relation === 'outside').map(({ server }) => server))
    const placed = layout(
      ids,
      edges.map((edge) => ({ from: from(edge), to: edge.server })),
    )
    const arrow = svg(
      'marker',
      {
        id: 'arrow',
        viewBox: '0 0 8 8',
        refX: 7,
        refY: 4,
        markerWidth: 7,
        markerHeight: 7,
        orient: 'auto',
        markerUnits: 'userSpaceOnUse',
      },
      svg('path', { d: 'M0 0.5 8 4 0 7.5z' }),
    )
    const most = Math.max(...edges.map(({ perSecond }) => perSecond))
    const lines = edges.map((edge) => edgeOf(edge, placed, most, edges.length <= MOST_LABELS))
    const nodes = ids.map((id) => nodeOf(id, edges, placed, outside.has(id)))
    const { width, height } = placed
    const drawing = svg(
      'svg',
      {
        viewBox: `0 0 ${width} ${height}`,
        role: 'group',
        'aria-label': 'Service map; the table below has the same',
      },
      svg('defs', {}, arrow),
      ...lines.map(({ line }) => line),
      ...nodes,
      ...lines.map(({ label }) => label),
    )
    drawing.style.setProperty('--w', `${width}px`)
    for (const node of nodes) light(node, drawing)
    return drawing
  }
}

/** Pointing at a node fades what it has nothing to do with. */
function light(node: SVGGElement, drawing: SVGSVGElement): void {
  const id = node.dataset.id ?? ''
  const set = (on: boolean): void => {
    for (const one of drawing.querySelectorAll<SVGGElement>('g[data-from]')) {
      const own = one.dataset.from === id || one.dataset.to === id
      one.classList.toggle('lit', on && own)
      one.classList.toggle('faded', on && !own)
    }
  }
  for (const type of ['pointerenter', 'focus']) node.addEventListener(type, () => set(true))
  for (const type of ['pointerleave', 'blur']) node.addEventListener(type, () => set(false))
}

function nodeOf(id: string, edges: readonly Edge[], { nodes }: Placed, outside: boolean): SVGGElement {
  const { x, y } = nodes.get(id)!
  const own = edges.filter(({ server }) => server === id)
  const calls = own.reduce((sum, edge) => sum + edge.calls, 0)
  const errors = own.reduce((sum, edge) => sum + edge.errors, 0)
  const perSecond = own.reduce((sum, edge) => sum + edge.perSecond, 0)
  const isClients = id === CLIENTS
  const name = isClients ? 'clients' : id
  const below = isClients ? 'from outside' : `${rate(perSecond)}  ${percent(errors, calls)} failed`
  const url = isClients
    ? '/search'
    : urlOf('/search', outside ? { attribute: `server.address=${id}` } : { service: id })
  const node = svg(
    'g',
    {
      class: `node${outside || isClients ? ' outside' : ''}${isUnwell({ calls, errors }) ? ' unwell' : ''}`,
      transform: `translate(${x} ${y})`,
      tabindex: 0,
      role: 'link',
      'aria-label': `${name}, ${below}`,
      'data-id': id,
    },
    svg('rect', { width: NODE_WIDTH, height: NODE_HEIGHT, rx: 6 }),
    !isClients && svg('rect', { class: 'strip', x: 0, y: 8, width: 4, height: NODE_HEIGHT - 16, rx: 1.5 }),
    svg('text', { class: 'name', x: 14, y: 19 }, cut(name, 19)),
    svg('text', { class: `small${isUnwell({ calls, errors }) ? ' bad' : ''}`, x: 14, y: 35 }, below),
    svg('title', {}, outside ? `${name} (sends no spans)` : name),
  )
  node.style.setProperty('--hue', hue(id))
  follow(node, url)
  return node
}

function edgeOf(
  edge: Edge,
  { nodes }: Placed,
  most: number,
  labelled: boolean,
): { line: SVGGElement; label: SVGGElement | null } {
  const [a, b] = [nodes.get(from(edge))!, nodes.get(edge.server)!]
  const width = 1.25 + 3 * Math.sqrt(edge.perSecond / Math.max(most, 1e-9))
  const { path, x, y } = curve(a, b)
  const unwell = isUnwell(edge) ? ' unwell' : ''
  const text = `${rate(edge.perSecond)} · p95 ${duration(edge.p95Us)}`
  const failed = edge.errors > 0 ? `${percent(edge.errors, edge.calls)} failed` : ''
  const link = { 'data-from': from(edge), 'data-to': edge.server }
  const line = svg(
    'g',
    {
      class: `edge${unwell}`,
      tabindex: 0,
      role: 'link',
      'aria-label': `${edge.client ?? 'clients'} to ${edge.server}: ${text} ${failed}`,
      ...link,
    },
    svg('path', { d: path, 'stroke-width': width.toFixed(2), 'marker-end': 'url(#arrow)' }),
    svg('path', { class: 'hit', d: path }),
    svg('title', {}, `${edge.client ?? 'clients'} → ${edge.server}\n${text} ${failed}\n${count(edge.calls)} calls`),
  )
  follow(line, edgeUrl(edge))
  if (!labelled) return { line, label: null }
  const boxWidth = Math.max(text.length, failed.length) * 5.9 + 8
  const boxHeight = failed === '' ? 16 : 30
  const label = svg(
    'g',
    { class: 'edge', 'pointer-events': 'none', 'aria-hidden': 'true', ...link },
    svg(
      'g',
      { class: 'label' },
      svg('rect', { x: x - boxWidth / 2, y: y - boxHeight / 2, width: boxWidth, height: boxHeight, rx: 3 }),
      svg('text', { class: 'small', x, y: y + (failed === '' ? 4 : -3), 'text-anchor': 'middle' }, text),
      failed !== '' && svg('text', { class: 'small bad', x, y: y + 11, 'text-anchor': 'middle' }, failed),
    ),
  )
  return { line, label }
}

interface Point {
  readonly x: number
  readonly y: number
}

function curve(a: Point, b: Point): { path: string; x: number; y: number } {
  const middle = NODE_HEIGHT / 2
  if (a === b) {
    const [x, y] = [a.x + NODE_WIDTH - 30, a.y]
    return { path: `M${x} ${y}c-4 -26 34 -26 22 0`, x: x + 10, y: y - 18 }
  }
  const [x1, y1, x2, y2] = [a.x + NODE_WIDTH, a.y + middle, b.x - 2, b.y + middle]
  if (x2 > x1) {
    // A straight line would be hidden by its label.
    const above = Math.abs(y1 - y2) < 20 ? 20 : 0
    const bend = Math.max(40, (x2 - x1) / 2)
    return {
      path: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
      x: (x1 + x2) / 2,
      y: (y1 + y2) / 2 - above,
    }
  }
  // Back, or within a column: around below both.
  const low = Math.max(a.y, b.y) + NODE_HEIGHT + 22
  const [c, d] = [a.x + NODE_WIDTH / 2, b.x + NODE_WIDTH / 2]
  return {
    path: `M${c} ${a.y + NODE_HEIGHT}C${c} ${low} ${d} ${low} ${d} ${b.y + NODE_HEIGHT + 2}`,
    x: (c + d) / 2,
    y: low - 6,
  }
}

function follow(element: SVGGElement, url: string): void {
  element.addEventListener('click', () => go(url))
  element.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') go(url)
  })
}

function edgeUrl({ client, server, relation }: Edge): string {
  if (relation === 'outside') return urlOf('/search', { service: client ?? '', attribute: `server.address=${server}` })
  return urlOf('/search', { service: server })
}

function tableOf(edges: readonly Edge[], query: URLSearchParams): HTMLElement {
  const time = {
    lastMs: query.get('lastMs') ?? String(DEFAULT_MS),
    from: query.get('from') ?? '',
    to: query.get('to') ?? '',
  }
  const range = time.from === '' ? { lastMs: time.lastMs } : { from: time.from, to: time.to }
  const heads = ['caller', 'callee', 'rate', 'calls', 'failed', 'p50', 'p95', 'p99', 'network p50', 'network p99']
  return h(
    'table',
    { class: 'data', attrs: { 'aria-label': 'Edges' } },
    h('thead', null, h('tr', null, ...heads.map((text, i) => h('th', i > 1 ? 'num' : null, text)))),
    h(
      'tbody',
      null,
      ...edges.map((edge) =>
        h(
          'tr',
          null,
          h('td', null, edge.client === null ? h('span', 'dim', 'clients') : named(edge.client)),
          h(
            'td',
            null,
            h('a', { attrs: { href: `${edgeUrl(edge)}&${new URLSearchParams(range)}` } }, named(edge.server)),
            edge.relation === 'outside' && h('span', 'dim', ' outside'),
          ),
          h('td', 'num', rate(edge.perSecond)),
          h('td', 'num', count(edge.calls)),
          h('td', `num${isUnwell(edge) ? ' bad' : ''}`, percent(edge.errors, edge.calls)),
          ...[edge.p50Us, edge.p95Us, edge.p99Us, edge.networkP50Us, edge.networkP99Us].map((us) =>
            h('td', 'num', duration(us)),
          ),
        ),
      ),
    ),
  )
}

const named = (service: string): HTMLElement =>
  h('span', { class: 'svc-cell', css: { '--hue': hue(service) } }, h('span', 'dot'), service)

const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)
