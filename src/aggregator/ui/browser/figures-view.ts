/** What views of figures over a range of time share: a picker, asking again as time goes on, and saying what went wrong. */
import { Asking, messageOf } from './api.ts'
import { h } from './dom.ts'
import { clockTime, day, nowMs } from './format.ts'
import type { Place } from './location.ts'
import { RangePicker, rangeOf } from './time-range.ts'
import type { View } from './view.ts'

const AGAIN_MS = 10_000

const time = (ms: number): string => clockTime(ms).slice(0, 8)

export abstract class FiguresView implements View {
  readonly element: HTMLElement
  protected readonly body = h('div', 'view')
  protected readonly status = h('span', null)
  protected readonly bar: HTMLElement
  protected query = new URLSearchParams()
  readonly #range: RangePicker
  readonly #asking = new Asking()
  readonly #timer = setInterval(() => this.#tick(), AGAIN_MS)
  readonly #defaultMs: number

  constructor(className: string, defaultMs: number) {
    this.#defaultMs = defaultMs
    this.#range = new RangePicker(defaultMs)
    this.bar = h('div', 'statusline', this.#range.element, this.status)
    this.element = h('div', `view ${className}`, this.bar, this.body)
    this.body.append(h('p', 'loading', 'Loading…'))
  }

  /** Ask for what is drawn. `query` has the range alone. */
  protected abstract load(query: URLSearchParams): Promise<void>

  show({ query }: Place): void {
    this.query = query
    this.#range.show(query)
    void this.#load()
  }

  refresh(): void {
    void this.#load()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#asking.stop()
  }

  protected ask<T>(path: string, query: URLSearchParams): Promise<T | undefined> {
    return this.#asking.ask<T>(path, query)
  }

  protected get range(): { from: number; to: number } {
    return rangeOf(this.query, this.#defaultMs)
  }

  protected nothing(title: string, text: string): void {
    this.body.replaceChildren(h('div', 'empty', h('h2', null, title), h('p', null, text)))
  }

  /** A range that moves with the time is looked at again, unless nobody looks. */
  #tick(): void {
    if (!document.hidden && !this.query.has('from') && !this.body.contains(document.activeElement)) void this.#load()
  }

  async #load(): Promise<void> {
    const { from, to } = this.range
    try {
      await this.load(new URLSearchParams({ from: String(from), to: String(to) }))
      const end = Math.min(to, nowMs())
      this.status.textContent = this.query.has('from') ? '' : `${day(from)} ${time(from)} to ${time(end)}`
    } catch (error) {
      this.body.replaceChildren(
        h(
          'div',
          { class: 'empty', attrs: { role: 'alert' } },
          h('h2', null, 'No answer'),
          h('p', null, messageOf(error)),
        ),
      )
    }
  }
}
