/** Places for the nodes of the service map: callers left of callees, few crossings. Pure. */

export interface MapNode {
  readonly id: string
  x: number
  y: number
}

export interface Link {
  readonly from: string
  readonly to: string
}

export interface Placed {
  readonly nodes: ReadonlyMap<string, MapNode>
  readonly width: number
  readonly height: number
}

export const NODE_WIDTH = 172
export const NODE_HEIGHT = 46
const GAP_X = 150
const GAP_Y = 44
const MARGIN = 24
const SWEEPS = 6

export function layout(ids: readonly string[], links: readonly Link[]): Placed {
  const columns = columnsOf(ids, links)
  const order = ordered(columns, links)
  const height = Math.max(...order.map((column) => column.length), 1) * (NODE_HEIGHT + GAP_Y) - GAP_Y
  const nodes = new Map<string, MapNode>()
  for (const [i, column] of order.entries()) {
    const own = column.length * (NODE_HEIGHT + GAP_Y) - GAP_Y
    for (const [j, id] of column.entries()) {
      const x = MARGIN + i * (NODE_WIDTH + GAP_X)
      nodes.set(id, { id, x, y: MARGIN + (height - own) / 2 + j * (NODE_HEIGHT + GAP_Y) })
    }
  }
  const width = Math.max(order.length * (NODE_WIDTH + GAP_X) - GAP_X, 0)
  return { nodes, width: width + 2 * MARGIN, height: height + 2 * MARGIN }
}

/** By the longest way from a start, where links that close a ring do not count. */
function columnsOf(ids: readonly string[], links: readonly Link[]): string[][] {
  const forward = withoutRings(ids, links)
  const column = new Map(ids.map((id) => [id, 0]))
  // As many rounds as the longest way has steps.
  for (let round = 0, moved = true; moved && round < ids.length; round++) {
    moved = false
    for (const { from, to } of forward) {
      const wanted = column.get(from)! + 1
      if (wanted <= column.get(to)!) continue
      column.set(to, wanted)
      moved = true
    }
  }
  const last = Math.max(...column.values(), 0)
  const columns = Array.from({ length: last + 1 }, (_, at) => ids.filter((id) => column.get(id) === at))
  return columns.filter((one) => one.length > 0)
}

function withoutRings(ids: readonly string[], links: readonly Link[]): Link[] {
  const out = new Map<string, Link[]>()
  const called = new Set<string>()
  for (const link of links) {
    if (link.from === link.to) continue
    out.set(link.from, [...(out.get(link.from) ?? []), link])
    called.add(link.to)
  }
  const kept: Link[] = []
  const state = new Map<string, 'open' | 'done'>()
  const visit = (id: string): void => {
    state.set(id, 'open')
    for (const link of out.get(id) ?? []) {
      if (state.get(link.to) === 'open') continue
      kept.push(link)
      if (!state.has(link.to)) visit(link.to)
    }
    state.set(id, 'done')
  }
  for (const id of [...ids.filter((one) => !called.has(one)), ...ids]) if (!state.has(id)) visit(id)
  return kept
}

/** Each node near the middle of those it is linked with in the column before, then after, some times over. */
function ordered(columns: string[][], links: readonly Link[]): string[][] {
  const neighbours = new Map<string, string[]>()
  for (const { from, to } of links) {
    neighbours.set(from, [...(neighbours.get(from) ?? []), to])
    neighbours.set(to, [...(neighbours.get(to) ?? []), from])
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const at = new Map(
      columns.flatMap((column) => column.map((id, i): [string, number] => [id, (i + 0.5) / column.length])),
    )
    const middle = (id: string): number => {
      const near = neighbours.get(id) ?? []
      return near.length === 0 ? at.get(id)! : near.reduce((sum, one) => sum + at.get(one)!, 0) / near.length
    }
    for (const column of columns) column.sort((a, b) => middle(a) - middle(b))
  }
  return columns
}
