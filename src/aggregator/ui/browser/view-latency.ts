/** Latency by route: figures of all, and the heat map of one. */
import type { Heatmap, ServiceFigures, Services } from './api-types.ts'
import { h, shown } from './dom.ts'
import { FiguresView } from './figures-view.ts'
import { count, duration, hue, nowMs, percent } from './format.ts'
import { colour, HeatCanvas } from './heat-canvas.ts'
import { go, urlOf } from './location.ts'

const DEFAULT_MS = 900_000

export class LatencyView extends FiguresView {
  readonly #routes = h('div', 'routes')
  readonly #title = h('h2', null)
  readonly #note = h('p', 'dim')
  readonly #heat = new HeatCanvas(({ fromMs, toMs, fromUs, toUs }) =>
    go(
      urlOf('/search', {
        ...{ show: 'spans', service: this.#service, route: this.#route },
        ...{ from: String(Math.floor(fromMs)), to: String(Math.ceil(toMs)) },
        ...{ minMs: String(fromUs / 1000), maxMs: String(toUs / 1000) },
      }),
    ),
  )
  #services: readonly ServiceFigures[] = []

  constructor() {
    super('latency-view', DEFAULT_MS)
  }

  get #service(): string {
    return this.query.get('service') ?? ''
  }

  get #route(): string {
    return this.query.get('route') ?? ''
  }

  override close(): void {
    super.close()
    this.#heat.close()
  }

  protected override async load(query: URLSearchParams): Promise<void> {
    const services = await this.ask<Services>('services', query)
    if (services === undefined) return
    this.#services = services.services.filter(({ calls }) => calls > 0)
    if (this.#services.length === 0) {
      this.nothing('No request was served in this time', 'Served requests (SERVER spans) make up the map.')
      return
    }
    this.#drawRoutes()
    const wanted = new URLSearchParams(query)
    // Nothing of the time ahead, which only clocks that are wrong fill.
    if (!this.query.has('to')) wanted.set('to', String(Math.round(nowMs())))
    for (const name of ['service', 'route']) {
      const value = this.query.get(name)
      if (value !== null && value !== '') wanted.set(name, value)
    }
    const map = await this.ask<Heatmap>('heatmap', wanted)
    if (map === undefined) return
    this.#title.textContent = [shown(this.#service) || 'all services', shown(this.#route)]
      .filter((text) => text !== '')
      .join('  ')
    const total = map.cells.reduce((sum, cell) => sum + cell.count, 0)
    const failed = map.cells.reduce((sum, cell) => sum + cell.errors, 0)
    this.#note.textContent = `${count(total)} requests, ${count(failed)} failed`
    if (!this.body.contains(this.#routes)) {
      const heat = h('div', 'heat', this.#title, this.#note, this.#heat.element, scale())
      this.body.replaceChildren(h('div', 'cols', this.#routes, heat))
    }
    this.#heat.set(map)
  }

  #drawRoutes(): void {
    const heads = ['route', 'calls', 'failed', 'p50', 'p95', 'p99']
    const { scrollTop } = this.#routes
    this.#routes.replaceChildren(
      h(
        'table',
        { class: 'data', attrs: { 'aria-label': 'Routes' } },
        h('thead', null, h('tr', null, ...heads.map((text, i) => h('th', i > 0 ? 'num' : null, text)))),
        h('tbody', null, this.#row('', '', 'all services'), ...this.#services.flatMap((one) => this.#rowsOf(one))),
      ),
    )
    this.#routes.scrollTop = scrollTop
  }

  #rowsOf(one: ServiceFigures): HTMLElement[] {
    const routes = one.routes.map((route) => this.#row(one.service, route.route, route.route, route))
    return [this.#row(one.service, '', one.service, one), ...routes]
  }

  #row(
    service: string,
    route: string,
    text: string,
    figures?: Omit<ServiceFigures, 'service' | 'spans' | 'routes'>,
  ): HTMLElement {
    const chosen = service === this.#service && route === this.#route
    const time = {
      lastMs: this.query.get('lastMs') ?? '',
      from: this.query.get('from') ?? '',
      to: this.query.get('to') ?? '',
    }
    const link = h('a', { attrs: { href: urlOf('/latency', { service, route, ...time }), title: text } }, text)
    const isService = route === '' && service !== ''
    return h(
      'tr',
      { class: isService ? 'of-service' : '', attrs: { 'aria-selected': chosen ? 'true' : undefined } },
      h(
        'td',
        { class: 'route', css: { '--hue': hue(service) } },
        isService && h('span', 'dot'),
        isService ? ' ' : route === '' ? null : '\u2003',
        link,
      ),
      ...(figures === undefined
        ? [h('td', { attrs: { colspan: 5 } })]
        : [
            h('td', 'num', count(figures.calls)),
            h('td', `num${figures.errors > 0 ? ' bad' : ' dim'}`, percent(figures.errors, figures.calls)),
            ...[figures.p50Us, figures.p95Us, figures.p99Us].map((us) => h('td', 'num', duration(us))),
          ]),
    )
  }
}

function scale(): HTMLElement {
  const steps = [0, 0.25, 0.5, 0.75, 1]
  const dark = matchMedia('(prefers-color-scheme: dark)').matches
  const row = (failed: number): HTMLElement[] =>
    steps.map((share) => h('i', { css: { background: colour(share, failed, dark) } }))
  return h(
    'p',
    'dim scale',
    'few',
    ...row(0),
    'many',
    h('span', { css: { width: '14px' } }),
    ...row(0.5),
    'some failed',
    h('span', { css: { width: '14px' } }),
    'choose a cell for its spans',
  )
}
