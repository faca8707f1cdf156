/** A trace as rows: which hops have children, which rows are in sight with some folded, and the parts of a bar. Pure. */
import type { Hop } from './api-types.ts'

export const PHASES = ['queue', 'dns', 'connect', 'tls', 'send', 'wait', 'receive'] as const

export interface Part {
  /** A phase, `self` (the proxy's own time), or `plain`: the span says nothing of phases. */
  readonly kind: string
  readonly startUs: number
  readonly us: number
}

export class TraceModel {
  readonly hops: readonly Hop[]
  /** Index of each hop by its span id. */
  readonly byId: ReadonlyMap<string, number>
  /** Hops from one to the end of what is below it, itself included. */
  readonly #extent: Int32Array
  readonly #children: Int32Array
  readonly #folded = new Set<number>()
  /** Indexes of hops in sight. */
  rows: number[] = []

  constructor(hops: readonly Hop[]) {
    this.hops = hops
    this.byId = new Map(hops.map(({ spanId }, index) => [spanId, index]))
    this.#extent = new Int32Array(hops.length).fill(1)
    this.#children = new Int32Array(hops.length)
    // Parents come before children and what is below a hop follows it: its end is where the depth falls back.
    const open: number[] = []
    for (const [index, { depth }] of hops.entries()) {
      while (open.length > depth) this.#end(open.pop()!, index)
      const parent = open.at(-1)
      if (parent !== undefined) this.#children[parent]!++
      open.push(index)
    }
    while (open.length > 0) this.#end(open.pop()!, hops.length)
    this.#layout()
  }

  #end(index: number, at: number): void {
    this.#extent[index] = at - index
  }

  children(index: number): number {
    return this.#children[index]!
  }

  below(index: number): number {
    return this.#extent[index]! - 1
  }

  isFolded(index: number): boolean {
    return this.#folded.has(index)
  }

  fold(index: number, folded: boolean): void {
    if (this.#children[index] === 0) return
    if (folded) this.#folded.add(index)
    else this.#folded.delete(index)
    this.#layout()
  }

  foldAll(folded: boolean): void {
    this.#folded.clear()
    if (folded) {
      for (let i = 0; i < this.hops.length; i++)
        if (this.hops[i]!.depth > 0 && this.#children[i]! > 0) this.#folded.add(i)
    }
    this.#layout()
  }

  /** Unfolds what hides a hop; its row. */
  rowOf(index: number): number {
    for (let at = index - 1, depth = this.hops[index]!.depth; at >= 0 && depth > 0; at--) {
      if (this.hops[at]!.depth >= depth) continue
      depth = this.hops[at]!.depth
      this.#folded.delete(at)
    }
    this.#layout()
    return this.rows.indexOf(index)
  }

  parentOf(index: number): number | undefined {
    const { depth } = this.hops[index]!
    for (let at = index - 1; at >= 0; at--) if (this.hops[at]!.depth < depth) return at
    return undefined
  }

  #layout(): void {
    this.rows = []
    for (let i = 0; i < this.hops.length; i += this.#folded.has(i) ? this.#extent[i]! : 1) this.rows.push(i)
  }
}

/** Parts in order of time. The proxy's own time is what the phases leave; where it lay is not measured, it is drawn last. */
export function partsOf(hop: Hop): Part[] {
  if (hop.phases.length === 0) return [{ kind: hop.gap ? 'gap' : 'plain', startUs: hop.startUs, us: hop.durationUs }]
  const parts: Part[] = []
  let at = hop.startUs
  for (const { phase, us } of hop.phases) {
    parts.push({ kind: phase, startUs: at, us })
    at += us
  }
  const rest = hop.startUs + hop.durationUs - at
  if (rest > 0) parts.push({ kind: 'self', startUs: at, us: rest })
  return parts
}

export interface Zoom {
  readonly fromUs: number
  readonly toUs: number
}

export const zoomText = ({ fromUs, toUs }: Zoom): string => `${Math.round(fromUs)}-${Math.round(toUs)}`

export function zoomOf(text: string | null, lengthUs: number): Zoom {
  const [, from, to] = /^(\d+)-(\d+)$/.exec(text ?? '') ?? []
  const [fromUs, toUs] = [Number(from), Math.min(Number(to), lengthUs)]
  return text !== null && toUs > fromUs ? { fromUs, toUs } : { fromUs: 0, toUs: lengthUs }
}

/** Around the middle, within the trace. */
export function zoomedBy({ fromUs, toUs }: Zoom, factor: number, lengthUs: number): Zoom {
  const half = Math.min(Math.max(((toUs - fromUs) / 2) * factor, 1), lengthUs / 2)
  return moved({ fromUs: (fromUs + toUs) / 2 - half, toUs: (fromUs + toUs) / 2 + half }, 0, lengthUs)
}

export function moved({ fromUs, toUs }: Zoom, byUs: number, lengthUs: number): Zoom {
  const width = Math.min(toUs - fromUs, lengthUs)
  const start = Math.min(Math.max(0, fromUs + byUs), lengthUs - width)
  return { fromUs: start, toUs: start + width }
}
