/** A heat map of latency over time: columns of time, rows of duration, darker where there are more. */
import type { HeatCell, Heatmap } from './api-types.ts'
import { h } from './dom.ts'
import { clockTime, count, day, duration } from './format.ts'

export interface CellRange {
  readonly fromMs: number
  readonly toMs: number
  readonly fromUs: number
  readonly toUs: number
}

const LEFT = 58
const BOTTOM = 22
const TOP = 6
/** Rows at least: a single bucket is no map. */
const LEAST_ROWS = 12

export class HeatCanvas {
  readonly element: HTMLElement
  readonly #canvas = h('canvas', { attrs: { 'aria-hidden': 'true' } })
  readonly #tip = h('div', { class: 'tip', attrs: { hidden: true, role: 'status' } })
  readonly #resized = new ResizeObserver(() => this.#draw())
  readonly #theme = matchMedia('(prefers-color-scheme: dark)')
  readonly #redraw = (): void => this.#draw()
  readonly #onOpen: (range: CellRange) => void
  #map: Heatmap | undefined
  #cells = new Map<string, HeatCell>()
  #rows: { readonly low: number; readonly count: number } = { low: 0, count: 1 }
  #at: { column: number; row: number } | undefined

  constructor(onOpen: (range: CellRange) => void) {
    this.#onOpen = onOpen
    this.element = h(
      'div',
      {
        class: 'heat-box',
        attrs: {
          tabindex: 0,
          role: 'application',
          'aria-label': 'Latency over time: arrows move, Enter shows the spans',
        },
        on: {
          pointermove: (event) => this.#point(event),
          pointerleave: () => this.#move(undefined),
          click: () => this.#open(),
          keydown: (event) => this.#key(event),
        },
      },
      this.#canvas,
      this.#tip,
    )
    this.#resized.observe(this.element)
    this.#theme.addEventListener('change', this.#redraw)
  }

  set(map: Heatmap): void {
    this.#map = map
    this.#cells = new Map(map.cells.map((cell) => [`${cell.column} ${cell.bucket}`, cell]))
    const buckets = map.buckets.map(({ bucket }) => bucket)
    const [low, high] = [Math.min(...buckets), Math.max(...buckets)]
    const rows = high - low + 1
    const spare = Math.max(0, LEAST_ROWS - rows)
    this.#rows = { low: Math.max(0, low - Math.ceil(spare / 2)), count: rows + spare }
    this.#draw()
  }

  close(): void {
    this.#resized.disconnect()
    this.#theme.removeEventListener('change', this.#redraw)
  }

  #size(): { width: number; height: number; cellWidth: number; cellHeight: number } {
    const { clientWidth, clientHeight } = this.element
    const [width, height] = [clientWidth - LEFT - 4, clientHeight - BOTTOM - TOP]
    return { width, height, cellWidth: width / (this.#map?.columns ?? 1), cellHeight: height / this.#rows.count }
  }

  #draw(): void {
    const map = this.#map
    const { clientWidth, clientHeight } = this.element
    const context = this.#canvas.getContext('2d')
    if (map === undefined || context === null || clientWidth === 0) return
    const scale = devicePixelRatio
    this.#canvas.width = clientWidth * scale
    this.#canvas.height = clientHeight * scale
    context.scale(scale, scale)
    const dark = this.#theme.matches
    const { cellWidth, cellHeight, width, height } = this.#size()
    const most = Math.log1p(Math.max(...map.cells.map((cell) => cell.count), 1))
    this.#axes(context, map, width, height)
    for (const cell of map.cells) {
      const share = Math.log1p(cell.count) / most
      context.fillStyle = colour(share, cell.errors / cell.count, dark)
      const y = TOP + height - (cell.bucket - this.#rows.low + 1) * cellHeight
      context.fillRect(LEFT + cell.column * cellWidth, y, Math.max(1, cellWidth - 0.5), Math.max(1, cellHeight - 0.5))
    }
    if (this.#at === undefined) return
    context.strokeStyle = getComputedStyle(this.element).color
    context.lineWidth = 1.5
    const { column, row } = this.#at
    context.strokeRect(LEFT + column * cellWidth, TOP + height - (row + 1) * cellHeight, cellWidth, cellHeight)
  }

  #axes(context: CanvasRenderingContext2D, map: Heatmap, width: number, height: number): void {
    const style = getComputedStyle(this.element)
    context.font = `11px ${style.fontFamily}`
    context.fillStyle = style.getPropertyValue('outline-color')
    context.strokeStyle = style.getPropertyValue('border-top-color')
    context.textBaseline = 'middle'
    context.textAlign = 'right'
    const cellHeight = height / this.#rows.count
    // Buckets are quarters of a doubling: a label each doubling, or as many as there is room for.
    const every = Math.max(4, Math.ceil(26 / cellHeight / 4) * 4)
    const first = Math.ceil(this.#rows.low / every) * every
    for (let bucket = first; bucket <= this.#rows.low + this.#rows.count; bucket += every) {
      const y = Math.round(TOP + height - (bucket - this.#rows.low) * cellHeight) + 0.5
      line(context, LEFT, y, LEFT + width, y)
      context.fillText(duration(2 ** (bucket / 4) - 1), LEFT - 6, Math.min(y, TOP + height - 4))
    }
    context.textAlign = 'center'
    const labels = Math.max(2, Math.floor(width / 110))
    const whole = map.columns * map.stepMs
    for (let i = 0; i <= labels; i++) {
      const x = LEFT + (i / labels) * width
      const text = clockTime(map.fromMs + (i / labels) * whole)
      context.textAlign = i === 0 ? 'left' : i === labels ? 'right' : 'center'
      context.fillText(
        whole > 86_400_000 ? day(map.fromMs + (i / labels) * whole) : text.slice(0, 8),
        x,
        TOP + height + 13,
      )
    }
    line(context, LEFT, TOP + height + 0.5, LEFT + width, TOP + height + 0.5)
  }

  #point(event: PointerEvent): void {
    const { left, top } = this.element.getBoundingClientRect()
    const { cellWidth, cellHeight, height } = this.#size()
    const column = Math.floor((event.clientX - left - LEFT) / cellWidth)
    const row = Math.floor((TOP + height - (event.clientY - top)) / cellHeight)
    const inside = column >= 0 && column < (this.#map?.columns ?? 0) && row >= 0 && row < this.#rows.count
    this.#move(inside ? { column, row } : undefined)
  }

  #move(at: { column: number; row: number } | undefined): void {
    this.#at = at
    this.#draw()
    const range = this.#range()
    this.#tip.hidden = at === undefined || range === undefined
    if (at === undefined || range === undefined) return
    const cell = this.#cells.get(`${at.column} ${at.row + this.#rows.low}`)
    const { cellWidth, cellHeight, height } = this.#size()
    const failed = (cell?.errors ?? 0) > 0 ? `, ${count(cell!.errors)} failed` : ''
    this.#tip.textContent = `${clockTime(range.fromMs).slice(0, 8)} to ${clockTime(range.toMs).slice(0, 8)}\n${duration(range.fromUs)} to ${duration(range.toUs)}\n${count(cell?.count ?? 0)} requests${failed}`
    const x = LEFT + (at.column + 1) * cellWidth
    const flip = x > this.element.clientWidth - 200
    this.#tip.style.left = flip ? 'auto' : `${x + 8}px`
    this.#tip.style.right = flip ? `${this.element.clientWidth - x + cellWidth + 8}px` : 'auto'
    this.#tip.style.top = `${Math.max(0, TOP + height - (at.row + 1) * cellHeight - 20)}px`
  }

  #range(): CellRange | undefined {
    const [map, at] = [this.#map, this.#at]
    if (map === undefined || at === undefined) return undefined
    const bucket = at.row + this.#rows.low
    return {
      fromMs: map.fromMs + at.column * map.stepMs,
      toMs: map.fromMs + (at.column + 1) * map.stepMs,
      fromUs: 2 ** (bucket / 4) - 1,
      toUs: 2 ** ((bucket + 1) / 4) - 1,
    }
  }

  #open(): void {
    const range = this.#range()
    if (range !== undefined) this.#onOpen(range)
  }

  #key(event: KeyboardEvent): void {
    const steps: Readonly<Record<string, readonly [number, number]>> = {
      ...{ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] },
    }
    if (event.key === 'Enter') this.#open()
    const step = steps[event.key]
    if (step === undefined || this.#map === undefined) return
    event.preventDefault()
    const latest = this.#map.cells.reduce(
      (last, cell) => (cell.column > last.column ? cell : last),
      this.#map.cells[0]!,
    )
    const at = this.#at ?? { column: latest.column, row: latest.bucket - this.#rows.low }
    const moved = this.#at === undefined ? [0, 0] : step
    const within = (value: number, most: number): number => Math.min(most - 1, Math.max(0, value))
    this.#move({
      column: within(at.column + moved[0]!, this.#map.columns),
      row: within(at.row + moved[1]!, this.#rows.count),
    })
  }
}

function line(context: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number): void {
  context.beginPath()
  context.moveTo(x1, y1)
  context.lineTo(x2, y2)
  context.stroke()
}

/** Blue by how many; red mixed in by how many of them failed. */
export function colour(share: number, failed: number, dark: boolean): string {
  const light = dark ? 0.3 + share * 0.5 : 0.92 - share * 0.5
  const chroma = 0.04 + share * 0.12
  const hue = failed > 0 ? 25 : 255
  const strong = failed > 0 ? Math.max(chroma, 0.1 + 0.1 * Math.min(1, failed)) : chroma
  return `oklch(${light.toFixed(3)} ${strong.toFixed(3)} ${hue})`
}
