/** Which part of time is looked at: `lastMs`, or `from` and `to`, in the address. */
import { h } from './dom.ts'
import { clockTime, day, nowMs } from './format.ts'
import { change } from './location.ts'

const MINUTE = 60_000
const CHOICES: readonly (readonly [number, string])[] = [
  [5 * MINUTE, 'last 5 minutes'],
  [15 * MINUTE, 'last 15 minutes'],
  [60 * MINUTE, 'last hour'],
  [360 * MINUTE, 'last 6 hours'],
  [1440 * MINUTE, 'last 24 hours'],
  [10_080 * MINUTE, 'last 7 days'],
]
/** Clocks of senders may be ahead. */
const AHEAD_MS = MINUTE

export interface Range {
  readonly from: number
  readonly to: number
  /** It moves with the time. */
  readonly moving: boolean
}

export function rangeOf(query: URLSearchParams, defaultMs = 60 * MINUTE): Range {
  const [from, to] = [numberOf(query.get('from')), numberOf(query.get('to'))]
  if (from !== undefined) return { from, to: to ?? Math.round(nowMs()) + AHEAD_MS, moving: to === undefined }
  const last = numberOf(query.get('lastMs')) ?? defaultMs
  const end = Math.round(nowMs())
  return { from: end - last, to: end + AHEAD_MS, moving: true }
}

/** As parameters of the query API. */
export function rangeQuery(query: URLSearchParams, defaultMs?: number): URLSearchParams {
  const { from, to } = rangeOf(query, defaultMs)
  return new URLSearchParams({ from: String(from), to: String(to) })
}

function numberOf(text: string | null): number | undefined {
  const value = Number(text)
  return text === null || text === '' || !Number.isInteger(value) || value < 0 ? undefined : value
}

/** A choice of ranges; "choose…" opens two fields. */
export class RangePicker {
  readonly element: HTMLElement
  readonly #select: HTMLSelectElement
  readonly #from = field('from')
  readonly #to = field('to')
  readonly #fixed: HTMLElement
  readonly #defaultMs: number

  constructor(defaultMs = 60 * MINUTE) {
    this.#defaultMs = defaultMs
    this.#select = h(
      'select',
      { attrs: { 'aria-label': 'Time' }, on: { change: () => this.#chosen() } },
      ...CHOICES.map(([ms, text]) => h('option', { attrs: { value: ms } }, text)),
      h('option', { attrs: { value: 'fixed' } }, 'from … to …'),
    )
    for (const input of [this.#from, this.#to]) input.addEventListener('change', () => this.#fixedChosen())
    this.#fixed = h('span', { class: 'actions', attrs: { hidden: true } }, this.#from, this.#to)
    this.element = h('div', 'actions', this.#select, this.#fixed)
  }

  show(query: URLSearchParams): void {
    const { from, to } = rangeOf(query, this.#defaultMs)
    const fixed = query.has('from')
    this.#fixed.hidden = !fixed
    const last = query.get('lastMs') ?? String(this.#defaultMs)
    this.#select.value = fixed || !CHOICES.some(([ms]) => String(ms) === last) ? 'fixed' : last
    this.#from.value = localText(from)
    this.#to.value = localText(to)
  }

  #chosen(): void {
    const { value } = this.#select
    if (value === 'fixed') {
      this.#fixed.hidden = false
      this.#from.focus()
    } else change({ lastMs: value === String(this.#defaultMs) ? undefined : value, from: undefined, to: undefined })
  }

  #fixedChosen(): void {
    const [from, to] = [this.#from, this.#to].map(({ value }) => new Date(value).getTime()) as [number, number]
    if (Number.isNaN(from) || Number.isNaN(to) || from > to) return
    change({ lastMs: undefined, from: String(from), to: String(to) })
  }
}

const field = (label: string): HTMLInputElement =>
  h('input', { attrs: { type: 'datetime-local', step: 1, 'aria-label': label } })

const localText = (ms: number): string => `${day(ms)}T${clockTime(ms).slice(0, 8)}`
