/**
 * Runs every compiled bench/micro/*.bench.ts: `node build/bench/micro/run.js [substring of a name]`. Each file runs in
 * the same process after the other, so compare a figure with the same run's others, or run one alone.
 */
import { readdirSync } from 'node:fs'
import { printTable, show } from '../print/table.ts'
import { type MicroBench, measureNs } from './harness.ts'

const wanted = process.argv[2] ?? ''
const folder = new URL('.', import.meta.url)
const rows: string[][] = []
for (const file of readdirSync(folder).sort()) {
  if (!file.endsWith('.bench.js')) continue
  const { benches } = (await import(new URL(file, folder).href)) as { benches: readonly MicroBench[] }
  for (const bench of benches) {
    const name = `${file.replace('.bench.js', '')}: ${bench.name}`
    if (name.includes(wanted)) rows.push([name, show(measureNs(bench), 1)])
  }
}
printTable(['function', 'ns a call, median [min-max]'], rows)
