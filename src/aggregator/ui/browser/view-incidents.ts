/** Incidents: what is or was wrong, why, since when, and traces that show it. */
import { Asking, messageOf } from './api.ts'
import type { Incident, Watching } from './api-diagnosis.ts'
import { causeItem } from './diagnosis-view.ts'
import { h } from './dom.ts'
import { clockTime, count, day, duration } from './format.ts'
import type { View } from './view.ts'

const AGAIN_MS = 2000

export class IncidentsView implements View {
  readonly element: HTMLElement
  readonly #status = h('span', { attrs: { role: 'status' } })
  readonly #body = h('div', { class: 'pane', attrs: { tabindex: -1 } })
  readonly #asking = new Asking()
  readonly #timer = setInterval(() => {
    if (!document.hidden) void this.#load()
  }, AGAIN_MS)
  #drawn = ''

  constructor() {
    this.#body.append(h('p', 'loading', 'Loading…'))
    this.element = h('div', 'view incidents-view', h('div', 'statusline', this.#status), this.#body)
  }

  show(): void {
    void this.#load()
  }

  refresh(): void {
    void this.#load()
  }

  focus(): void {
    this.#body.focus()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#asking.stop()
  }

  async #load(): Promise<void> {
    try {
      const answer = await this.#asking.ask<Watching>('incidents', new URLSearchParams())
      if (answer === undefined) return
      this.#status.textContent = statusOf(answer)
      const text = JSON.stringify(answer.incidents)
      // What did not change is left alone, so that what one reads or has chosen stays.
      if (text === this.#drawn) return
      this.#drawn = text
      this.#body.replaceChildren(...(answer.incidents.length === 0 ? [nothing(answer)] : answer.incidents.map(card)))
    } catch (error) {
      this.#status.textContent = messageOf(error)
    }
  }
}

function statusOf({ state, signatures, ready, oneOf }: Watching): string {
  const share = oneOf === 1 ? '' : ` · one of ${count(oneOf)} traces is looked at`
  if (state === 'learning') return `still learning what is usual (${count(signatures)} places seen)${share}`
  return `what is usual is known of ${count(ready)} of ${count(signatures)} places${share}`
}

function nothing({ state }: Watching): HTMLElement {
  const text =
    state === 'learning'
      ? 'Still learning what is usual; until then nothing is compared, and failed traces have their diagnosis each.'
      : 'All is as usual.'
  return h('div', 'empty', h('h2', null, 'No incident'), h('p', null, text))
}

function card({ state, severity, summary, causes, onsetMs, openedMs, closedMs, timeline }: Incident): HTMLElement {
  const isWarning = severity === 'warning'
  const times = [
    ['began about', clockTime(onsetMs).slice(0, 8)],
    ['told after', duration((openedMs - onsetMs) * 1000)],
    closedMs === null ? ['still', 'open'] : ['lasted', duration((closedMs - onsetMs) * 1000)],
  ]
  return h(
    'article',
    { class: `incident ${state}${isWarning ? ' warning' : ''}`, attrs: { 'aria-label': `Incident: ${summary}` } },
    h('h2', null, isWarning ? `Warning: ${summary}` : summary),
    h(
      'div',
      'times',
      h('span', null, day(onsetMs)),
      ...times.map(([name, value]) => h('span', null, `${name} `, h('b', null, value))),
    ),
    h('ol', null, ...causes.map((cause) => causeItem(cause, traces(cause.traceIds)))),
    h(
      'details',
      null,
      h('summary', 'dim', 'timeline'),
      h('ul', null, ...timeline.map(({ atMs, text }) => h('li', null, `${clockTime(atMs).slice(0, 8)} ${text}`))),
    ),
  )
}

function traces(ids: readonly string[]): HTMLElement {
  const links = ids.map((id) => h('a', { attrs: { href: `/trace/${id}` } }, `${id.slice(0, 8)}…`))
  return h('span', null, ...links.flatMap((link, i) => [i === 0 ? 'traces: ' : ', ', link]))
}
