/** Clocks of hosts against each other: how far off, how sure, and whether they drift. */
import type { ClockPairs } from './api-types.ts'
import { h, svg } from './dom.ts'
import { FiguresView } from './figures-view.ts'
import { count, duration } from './format.ts'

type Pair = ClockPairs['pairs'][number]

const WIDTH = 220
const HEIGHT = 30

export class ClocksView extends FiguresView {
  constructor() {
    super('clocks-view', 3_600_000)
  }

  protected override async load(query: URLSearchParams): Promise<void> {
    const answer = await this.ask<ClockPairs>('clocks', query)
    if (answer === undefined) return
    if (answer.pairs.length === 0) {
      this.nothing(
        'No two hosts called each other in this time',
        'Each call that is seen from both ends compares two clocks.',
      )
      return
    }
    const heads = ['caller', 'callee', 'offset', 'sure to', 'drift', 'calls', 'impossible']
    this.body.replaceChildren(
      h(
        'div',
        'pane',
        h(
          'table',
          { class: 'data', attrs: { 'aria-label': 'Clocks' } },
          h(
            'thead',
            null,
            h(
              'tr',
              null,
              ...heads.map((text, i) => h('th', i > 1 ? 'num' : null, text)),
              h('th', null, 'offset by minute'),
            ),
          ),
          h('tbody', null, ...answer.pairs.map(rowOf)),
        ),
      ),
    )
  }
}

function rowOf({ client, server, offsetUs, uncertaintyUs, drift, samples, impossible, points }: Pair): HTMLElement {
  const isOff = offsetUs !== undefined && uncertaintyUs !== undefined && Math.abs(offsetUs) > uncertaintyUs
  const shown = drift === null ? '–' : `${drift.ppm.toFixed(1)} ppm${drift.certain ? '' : ' (unsure)'}`
  return h(
    'tr',
    null,
    h('td', null, client),
    h('td', null, server),
    h('td', `num${isOff ? ' warn-text' : ''}`, duration(offsetUs)),
    h('td', 'num', uncertaintyUs === undefined ? '–' : `± ${duration(uncertaintyUs)}`),
    h('td', `num${drift?.certain ? ' warn-text' : ' dim'}`, shown),
    h('td', 'num', count(samples)),
    h(
      'td',
      {
        class: `num${impossible > 0 ? ' bad' : ' dim'}`,
        attrs: { title: 'the callee says it took longer than its caller waited' },
      },
      count(impossible),
    ),
    h('td', null, spark(points)),
  )
}

function spark(points: Pair['points']): SVGSVGElement | string {
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined || points.length < 2) return ''
  const low = Math.min(...points.map(({ offsetUs, uncertaintyUs }) => offsetUs - uncertaintyUs))
  const high = Math.max(...points.map(({ offsetUs, uncertaintyUs }) => offsetUs + uncertaintyUs))
  const x = (atS: number): string => (((atS - first.atS) / (last.atS - first.atS)) * WIDTH).toFixed(1)
  const y = (us: number): string => (HEIGHT - ((us - low) / Math.max(high - low, 1e-9)) * HEIGHT).toFixed(1)
  const upper = points.map(({ atS, offsetUs, uncertaintyUs }) => `${x(atS)} ${y(offsetUs + uncertaintyUs)}`)
  const lower = points.map(({ atS, offsetUs, uncertaintyUs }) => `${x(atS)} ${y(offsetUs - uncertaintyUs)}`).reverse()
  return svg(
    'svg',
    {
      class: 'spark',
      width: WIDTH,
      height: HEIGHT,
      role: 'img',
      'aria-label': `from ${duration(first.offsetUs)} to ${duration(last.offsetUs)}`,
    },
    svg('path', { class: 'band', d: `M${[...upper, ...lower].join('L')}Z` }),
    svg('path', { d: `M${points.map(({ atS, offsetUs }) => `${x(atS)} ${y(offsetUs)}`).join('L')}` }),
  )
}
