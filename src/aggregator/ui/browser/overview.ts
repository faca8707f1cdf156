/** The whole trace on one canvas: where the rows in sight are, and what part of time they show. Dragging chooses a part. */
import { h } from './dom.ts'
import { duration } from './format.ts'
import { type TraceModel, type Zoom, zoomText } from './trace-model.ts'

const HEIGHT = 52
/** Of trace length: shorter drags are clicks. */
const LEAST_DRAG = 0.004

export class Overview {
  readonly element: HTMLElement
  readonly #canvas = h('canvas', { attrs: { 'aria-hidden': 'true' } })
  readonly #window = h('div', 'ov-window')
  readonly #model: TraceModel
  readonly #lengthUs: number
  readonly #resized: ResizeObserver
  readonly #theme = matchMedia('(prefers-color-scheme: dark)')
  readonly #redraw = (): void => this.#draw()

  constructor(model: TraceModel, lengthUs: number, onZoom: (zoom: Zoom) => void) {
    this.#model = model
    this.#lengthUs = lengthUs
    this.element = h(
      'div',
      { class: 'overview', attrs: { title: 'drag to look at a part; double click for all' } },
      this.#canvas,
      this.#window,
    )
    this.#resized = new ResizeObserver(this.#redraw)
    this.#resized.observe(this.element)
    this.#theme.addEventListener('change', this.#redraw)
    this.#drag(onZoom)
  }

  setZoom(zoom: Zoom): void {
    const all = zoom.fromUs <= 0 && zoom.toUs >= this.#lengthUs
    this.#window.hidden = all
    this.#window.dataset.zoom = zoomText(zoom)
    this.#window.style.left = `${(zoom.fromUs / this.#lengthUs) * 100}%`
    this.#window.style.width = `${((zoom.toUs - zoom.fromUs) / this.#lengthUs) * 100}%`
    this.#window.textContent = all ? '' : duration(zoom.toUs - zoom.fromUs)
  }

  close(): void {
    this.#resized.disconnect()
    this.#theme.removeEventListener('change', this.#redraw)
  }

  #drag(onZoom: (zoom: Zoom) => void): void {
    let from: number | undefined
    const at = (event: PointerEvent): number => {
      const { left, width } = this.element.getBoundingClientRect()
      return Math.min(1, Math.max(0, (event.clientX - left) / width)) * this.#lengthUs
    }
    this.element.addEventListener('pointerdown', (event) => {
      from = at(event)
      this.element.setPointerCapture(event.pointerId)
    })
    this.element.addEventListener('pointermove', (event) => {
      if (from === undefined) return
      this.setZoom({ fromUs: Math.min(from, at(event)), toUs: Math.max(from, at(event)) })
    })
    this.element.addEventListener('pointerup', (event) => {
      if (from === undefined) return
      const [a, b] = [from, at(event)].sort((x, y) => x - y) as [number, number]
      from = undefined
      if (b - a > LEAST_DRAG * this.#lengthUs) onZoom({ fromUs: a, toUs: b })
    })
    this.element.addEventListener('dblclick', () => onZoom({ fromUs: 0, toUs: this.#lengthUs }))
  }

  #draw(): void {
    const { clientWidth: width } = this.element
    const scale = devicePixelRatio
    this.#canvas.width = width * scale
    this.#canvas.height = HEIGHT * scale
    const context = this.#canvas.getContext('2d')
    if (context === null || width === 0) return
    const style = getComputedStyle(this.element)
    const [plain, failed] = [style.color, style.accentColor]
    context.scale(scale, scale)
    const { hops } = this.#model
    const step = (HEIGHT - 4) / Math.max(hops.length, 12)
    for (const [i, { startUs, durationUs, failed: isFailed, gap }] of hops.entries()) {
      if (gap) continue
      context.fillStyle = isFailed ? failed : plain
      const x = (startUs / this.#lengthUs) * width
      context.fillRect(x, 2 + i * step, Math.max(1, (durationUs / this.#lengthUs) * width), Math.max(1, step * 0.75))
    }
  }
}
