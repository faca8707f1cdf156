/**
 * Loaded into an aggregator with `--import`: what diagnosis costs of the thread it runs in, by the kernel's CPU clock of that
 * thread, so that whatever else runs on the machine does not count. `?file=` is written when it changes; `?off` leaves it out.
 */
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Watch } from '../../src/aggregator/diagnosis/watch.ts'

const THREAD_CPU = 3
const WRITE_EVERY_MS = 200
const { searchParams } = new URL(import.meta.url)
const file = searchParams.get('file') ?? ''

interface Koffi {
  load(path: null): { func(definition: string): unknown }
}

const koffi = createRequire(import.meta.url)('koffi') as Koffi
const clock = koffi.load(null).func('int clock_gettime(int, void *)') as (id: number, to: BigInt64Array) => number
const time = new BigInt64Array(2)

/** CPU time of this thread, nanoseconds. */
function cpuNs(): number {
  clock(THREAD_CPU, time)
  return Number(time[0]) * 1e9 + Number(time[1])
}

let spentNs = 0
let writtenNs = 0

/** The method as it is, measured; or nothing in its place. */
function measured<A extends unknown[]>(method: (...given: A) => void): (...given: A) => void {
  if (searchParams.has('off')) return () => {}
  return function (this: unknown, ...given: A) {
    const begun = cpuNs()
    method.apply(this, given)
    spentNs += cpuNs() - begun
  }
}

Watch.prototype.add = measured(Watch.prototype.add)
Watch.prototype.tick = measured(Watch.prototype.tick)

setInterval(() => {
  if (spentNs === writtenNs) return
  writtenNs = spentNs
  writeFileSync(file, String(spentNs))
}, WRITE_EVERY_MS).unref()
