/** Tables of plain text. */
import type { Spread } from '../measure/statistics.ts'

/** Prints rows in columns as wide as their widest cell; the first column left, the others right. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd()
  console.log(line(head))
  console.log(widths.map((width) => '-'.repeat(width)).join('  '))
  for (const row of rows) console.log(line(row))
}

/** `median [min-max]`, or `-`. */
export function show(spread: Spread | undefined, digits = 0): string {
  if (spread === undefined) return '-'
  const median = spread.median.toFixed(digits)
  const [min, max] = [spread.min.toFixed(digits), spread.max.toFixed(digits)]
  return min === max ? median : `${median} [${min}-${max}]`
}

/** The median of a ratio, or `-`. */
export function showRatio(spread: Spread | undefined): string {
  return spread === undefined ? '-' : spread.median.toFixed(2)
}
