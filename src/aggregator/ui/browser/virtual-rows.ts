/**
 * A list of any length with elements only for what is in sight. Rows have one height; elements that leave are used again.
 * The focus stays on the scroller and names the active row (aria-activedescendant), so that arrows work at any length.
 */
import { h } from './dom.ts'

export interface VirtualRowsOptions {
  readonly label: string
  readonly role: 'grid' | 'treegrid'
  readonly rowHeight: number
  readonly header?: HTMLElement
  /** Fill an element for the row; it may hold another row's content. */
  readonly render: (row: HTMLElement, index: number) => void
  /** The row was chosen by arrows or a click. */
  readonly onActive?: (index: number) => void
  /** Enter, or a second click. */
  readonly onOpen?: (index: number) => void
  /** A key that the list does not know; true where it was used. */
  readonly onKey?: (event: KeyboardEvent, active: number) => boolean
  /** The last rows came into sight. */
  readonly onEnd?: () => void
}

const OVERSCAN = 8
let lists = 0

export class VirtualRows {
  readonly element: HTMLElement
  readonly #options: VirtualRowsOptions
  readonly #body: HTMLElement
  readonly #shown = new Map<number, HTMLElement>()
  readonly #spare: HTMLElement[] = []
  readonly #id = `rows${++lists}`
  readonly #resized: ResizeObserver
  #count = 0
  #active = -1
  #frame = 0

  constructor(options: VirtualRowsOptions) {
    this.#options = options
    this.#body = h('div', { class: 'rows-body', attrs: { role: 'rowgroup' } })
    this.element = h(
      'div',
      {
        class: 'rows',
        attrs: { role: options.role, tabindex: 0, 'aria-label': options.label },
        on: {
          scroll: () => this.#later(),
          keydown: (event) => this.#key(event),
          click: (event) => this.#click(event),
        },
      },
      options.header,
      this.#body,
    )
    this.#resized = new ResizeObserver(() => this.#later())
    this.#resized.observe(this.element)
  }

  get active(): number {
    return this.#active
  }

  get count(): number {
    return this.#count
  }

  /** Pixels above what is in sight. */
  get scrolled(): number {
    return this.element.scrollTop
  }

  /** The list changed. `inserted` rows came in front: what is in sight stays in place, unless that is the top. */
  update(count: number, inserted = 0): void {
    const { rowHeight } = this.#options
    this.#count = count
    this.#body.style.height = `${count * rowHeight}px`
    this.element.setAttribute('aria-rowcount', String(count))
    if (inserted > 0 && this.#active >= 0) this.#active = Math.min(this.#active + inserted, count - 1)
    if (inserted > 0 && this.element.scrollTop > rowHeight) this.element.scrollTop += inserted * rowHeight
    if (this.#active >= count) this.#active = count - 1
    this.#recycleAll()
    this.draw()
  }

  setActive(index: number, { scroll = true, tell = false } = {}): void {
    if (index < 0 || index >= this.#count) return
    this.#shown.get(this.#active)?.removeAttribute('aria-selected')
    this.#active = index
    if (scroll) this.reveal(index)
    this.draw()
    this.#shown.get(index)?.setAttribute('aria-selected', 'true')
    this.element.setAttribute('aria-activedescendant', `${this.#id}-${index}`)
    if (tell) this.#options.onActive?.(index)
  }

  reveal(index: number): void {
    const { rowHeight } = this.#options
    const top = index * rowHeight
    const height = this.element.clientHeight - this.#headerHeight()
    const { scrollTop } = this.element
    if (top < scrollTop) this.element.scrollTop = top
    else if (top + rowHeight > scrollTop + height) this.element.scrollTop = top + rowHeight - height
  }

  toTop(): void {
    this.element.scrollTop = 0
  }

  close(): void {
    this.#resized.disconnect()
    cancelAnimationFrame(this.#frame)
  }

  /** Contents changed, their number did not. */
  redraw(): void {
    for (const [index, row] of this.#shown) this.#fill(row, index)
  }

  draw(): void {
    const { rowHeight, onEnd } = this.#options
    const first = Math.max(0, Math.floor(this.element.scrollTop / rowHeight) - OVERSCAN)
    const last = Math.min(
      this.#count,
      Math.ceil((this.element.scrollTop + this.element.clientHeight) / rowHeight) + OVERSCAN,
    )
    for (const [index, row] of this.#shown) if (index < first || index >= last) this.#recycle(index, row)
    // From the last one on, so that the row after each is there: readers of screens go by the order of elements.
    for (let index = last - 1; index >= first; index--) if (!this.#shown.has(index)) this.#show(index)
    for (const row of this.#spare.splice(0)) row.remove()
    if (last === this.#count && this.#count > 0) onEnd?.()
  }

  #later(): void {
    if (this.#frame !== 0) return
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0
      this.draw()
    })
  }

  #headerHeight(): number {
    return this.#options.header?.offsetHeight ?? 0
  }

  #show(index: number): void {
    const spare = this.#spare.pop()
    const row = spare ?? h('div', { class: 'row', attrs: { role: 'row' } })
    this.#shown.set(index, row)
    row.id = `${this.#id}-${index}`
    row.style.transform = `translateY(${index * this.#options.rowHeight}px)`
    row.setAttribute('aria-rowindex', String(index + 1))
    this.#fill(row, index)
    const next = this.#shown.get(index + 1) ?? null
    if (spare === undefined || row.nextSibling !== next) this.#body.insertBefore(row, next)
  }

  #fill(row: HTMLElement, index: number): void {
    if (index === this.#active) row.setAttribute('aria-selected', 'true')
    else row.removeAttribute('aria-selected')
    this.#options.render(row, index)
  }

  #recycle(index: number, row: HTMLElement): void {
    this.#shown.delete(index)
    this.#spare.push(row)
  }

  #recycleAll(): void {
    for (const [index, row] of this.#shown) this.#recycle(index, row)
  }

  #click(event: MouseEvent): void {
    const target = event.target instanceof Element ? event.target : null
    const row = target?.closest('.row')
    if (!row || target?.closest('a, button')) return
    const index = Number(row.id.slice(this.#id.length + 1))
    this.element.focus({ preventScroll: true })
    this.setActive(index, { scroll: false, tell: true })
    if (event.detail === 2) this.#options.onOpen?.(index)
  }

  #key(event: KeyboardEvent): void {
    if (event.target !== this.element || event.metaKey || event.ctrlKey || event.altKey) return
    if (this.#options.onKey?.(event, this.#active) === true) {
      event.preventDefault()
      return
    }
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#options.rowHeight) - 2)
    const steps: Readonly<Record<string, number>> = {
      ...{ ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: page, PageUp: -page },
      ...{ Home: Number.NEGATIVE_INFINITY, End: Number.POSITIVE_INFINITY },
    }
    const step = steps[event.key]
    if (step !== undefined) {
      event.preventDefault()
      const next = Math.min(this.#count - 1, Math.max(0, this.#active < 0 && step === 1 ? 0 : this.#active + step))
      this.setActive(next, { tell: true })
    } else if (event.key === 'Enter' && this.#active >= 0) {
      event.preventDefault()
      this.#options.onOpen?.(this.#active)
    }
  }
}
