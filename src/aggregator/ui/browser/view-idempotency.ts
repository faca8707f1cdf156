/** What the idempotency stages decided, by route. */
import type { Outcomes } from './api-types.ts'
import { h } from './dom.ts'
import { FiguresView } from './figures-view.ts'
import { count, hue, percent } from './format.ts'
import { urlOf } from './location.ts'

type Outcome = Outcomes['outcomes'][number]

/** Colours stand for outcomes in the order of their frequency; there are seven. */
const COLOURS = 7

export class IdempotencyView extends FiguresView {
  constructor() {
    super('idempotency-view', 900_000)
  }

  protected override async load(query: URLSearchParams): Promise<void> {
    const answer = await this.ask<Outcomes>('idempotency', query)
    if (answer === undefined) return
    const { outcomes } = answer
    if (outcomes.length === 0) {
      this.nothing(
        'No request with an idempotency key in this time',
        'Proxies with idempotency.mode on say what they did with each.',
      )
      return
    }
    const totals = sums(outcomes, ({ outcome }) => outcome)
    const colours = new Map([...totals.keys()].sort().map((outcome, i) => [outcome, `o-${i % COLOURS}`]))
    const all = outcomes.reduce((sum, one) => sum + one.count, 0)
    const time = this.#time()
    const tiles = [...totals].map(([outcome, n]) =>
      h(
        'a',
        { class: 'tile', attrs: { href: urlOf('/search', { show: 'spans', outcome, ...time }) } },
        h('span', null, h('i', `swatch ${colours.get(outcome)}`), outcome),
        h('b', null, count(n)),
        h('span', 'dim', percent(n, all)),
      ),
    )
    const routes = [...sums(outcomes, ({ service, route }) => `${service}\0${route}`).keys()]
    this.body.replaceChildren(
      h(
        'div',
        'pane',
        h('div', 'tiles', ...tiles),
        h(
          'table',
          { class: 'data', attrs: { 'aria-label': 'Outcomes by route' } },
          h(
            'thead',
            null,
            h(
              'tr',
              null,
              ...['service', 'route', 'requests', 'failed'].map((text, i) => h('th', i > 1 ? 'num' : null, text)),
              h('th', null, 'outcomes'),
            ),
          ),
          h('tbody', null, ...routes.map((key) => this.#row(key, outcomes, colours, time))),
        ),
      ),
    )
  }

  #time(): Record<string, string> {
    const names = ['lastMs', 'from', 'to']
    return Object.fromEntries(names.map((name) => [name, this.query.get(name) ?? '']))
  }

  #row(
    key: string,
    outcomes: readonly Outcome[],
    colours: ReadonlyMap<string, string>,
    time: Record<string, string>,
  ): HTMLElement {
    const [service = '', route = ''] = key.split('\0')
    const own = outcomes.filter((one) => one.service === service && one.route === route)
    const all = own.reduce((sum, one) => sum + one.count, 0)
    const errors = own.reduce((sum, one) => sum + one.errors, 0)
    const parts = own.map(({ outcome, count: n }) => {
      const text = `${outcome}: ${count(n)} (${percent(n, all)})`
      return h('a', {
        class: colours.get(outcome),
        css: { 'flex-grow': String(n) },
        attrs: {
          href: urlOf('/search', { show: 'spans', service, route, outcome, ...time }),
          title: text,
          'aria-label': text,
        },
      })
    })
    return h(
      'tr',
      null,
      h('td', null, h('span', { class: 'svc-cell', css: { '--hue': hue(service) } }, h('span', 'dot'), service)),
      h('td', null, route),
      h('td', 'num', count(all)),
      h('td', `num${errors > 0 ? ' bad' : ' dim'}`, percent(errors, all)),
      h('td', { css: { width: '45%' } }, h('div', 'stack', ...parts)),
    )
  }
}

/** Counts by key, the largest first. */
function sums(outcomes: readonly Outcome[], keyOf: (one: Outcome) => string): Map<string, number> {
  const all = new Map<string, number>()
  for (const one of outcomes) all.set(keyOf(one), (all.get(keyOf(one)) ?? 0) + one.count)
  return new Map([...all].sort(([, a], [, b]) => b - a))
}
