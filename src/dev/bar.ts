/** The bar of one hop on the timeline of its trace: every column shows the part that fills most of it. */
import type { Hop } from './hops.ts'
import type { BarPart, Look, Paint } from './style.ts'

interface Piece {
  readonly part: BarPart
  readonly startUs: number
  readonly endUs: number
}

/** `columns` of text; `totalUs` is the length of the timeline. `alarm` colours what the hop itself answers for. */
export function drawBar(
  hop: Hop,
  children: readonly Hop[],
  totalUs: number,
  columns: number,
  look: Look,
  alarm: Paint | undefined,
): string {
  const usPerColumn = Math.max(totalUs, 1) / columns
  const first = Math.min(columns - 1, Math.floor(hop.startUs / usPerColumn))
  const last = Math.max(first + 1, Math.min(columns, Math.round((hop.startUs + hop.durationUs) / usPerColumn)))
  const pieces = hop.gap ? [] : piecesOf(hop, children)
  let text = ' '.repeat(first)
  for (let column = first; column < last; ) {
    const part = partAt(pieces, column, usPerColumn)
    let length = 1
    while (column + length < last && partAt(pieces, column + length, usPerColumn) === part) length++
    text += part === undefined ? look.paint(look.marks.dot.repeat(length), 'dim') : look.bar(part, length, alarm)
    column += length
  }
  return text + ' '.repeat(columns - last)
}

function partAt(pieces: readonly Piece[], column: number, usPerColumn: number): BarPart | undefined {
  const [from, to] = [column * usPerColumn, (column + 1) * usPerColumn]
  // A bar that is shorter than its column, or pushed into the last one, still shows what it mostly is.
  let best: BarPart | undefined = pieces.at(-1)?.part
  let most = 0
  for (const { part, startUs, endUs } of pieces) {
    const overlap = Math.min(to, endUs) - Math.max(from, startUs)
    if (overlap <= most) continue
    most = overlap
    best = part
  }
  return best
}

/** The parts of a hop one after another, its wait split where hops below were at work. */
function piecesOf(hop: Hop, children: readonly Hop[]): Piece[] {
  const pieces: Piece[] = []
  const attempts = children.filter(({ attempt }) => attempt > 0)
  let at = hop.startUs
  for (const { part, us } of hop.parts) {
    const piece = { part, startUs: at, endUs: at + us }
    if (part === 'wait' || part === 'span') pieces.push(...splitAt(piece, children))
    // What came before the last attempt counts as queue, earlier attempts included.
    else if (part === 'queue') pieces.push(...splitAt(piece, attempts))
    else pieces.push(piece)
    at += us
  }
  return pieces
}

/** `children` are in order of start. */
function splitAt(whole: Piece, children: readonly Hop[]): Piece[] {
  const pieces: Piece[] = []
  let at = whole.startUs
  for (const child of children) {
    const startUs = Math.max(at, child.startUs)
    const endUs = Math.min(whole.endUs, child.startUs + child.durationUs)
    if (endUs <= startUs) continue
    if (startUs > at) pieces.push({ ...whole, startUs: at, endUs: startUs })
    pieces.push({ part: 'below', startUs, endUs })
    at = endUs
  }
  if (at < whole.endUs) pieces.push({ ...whole, startUs: at })
  return pieces
}
