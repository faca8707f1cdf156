/**
 * `node build/test/codec/differential-million.js [cases] [seed]`: the differential test at length, on all cores but
 * one. Prints the counts and every class in which we are stricter than llhttp; exits 1 on a disagreement.
 */
import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Differential, emptyReport, type Report } from './differential.ts'

interface Share {
  readonly from: number
  readonly cases: number
}

function runShare({ from, cases }: Share): Report {
  const report = emptyReport()
  const requests = new Differential('request', report)
  const responses = new Differential('response', report)
  for (let seed = from; seed < from + cases; seed++) (seed % 3 === 0 ? responses : requests).run(seed)
  return report
}

async function main(): Promise<void> {
  const cases = Number(process.argv[2] ?? 1_000_000)
  const first = Number(process.argv[3] ?? 1)
  const workers = Math.max(1, availableParallelism() - 1)
  const share = Math.ceil(cases / workers)
  const startMs = performance.now()
  const reports = await Promise.all(
    Array.from({ length: workers }, (_, i) =>
      inWorker({ from: first + i * share, cases: Math.min(share, cases - i * share) }),
    ),
  )
  const total = emptyReport()
  for (const report of reports) add(total, report)
  print(total, first, (performance.now() - startMs) / 1000)
  process.exitCode = total.faults.length > 0 ? 1 : 0
}

function inWorker(share: Share): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: share })
    worker.on('message', resolve)
    worker.on('error', reject)
  })
}

function add(total: Report, part: Report): void {
  total.cases += part.cases
  total.agreed += part.agreed
  total.bothRefused += part.bothRefused
  total.splits += part.splits
  for (const [reason, count] of part.stricter) total.stricter.set(reason, (total.stricter.get(reason) ?? 0) + count)
  total.faults.push(...part.faults)
}

function print(total: Report, seed: number, seconds: number): void {
  const stricter = [...total.stricter].sort((a, b) => b[1] - a[1])
  console.log(`llhttp ${process.versions.llhttp}, seeds from ${seed}, ${seconds.toFixed(0)} s`)
  console.log(`${total.cases} cases, ${total.splits} readings of split streams`)
  console.log(`${total.agreed} read alike, ${total.bothRefused} refused by both`)
  console.log(`${stricter.reduce((sum, [, count]) => sum + count, 0)} refused by us alone:`)
  for (const [reason, count] of stricter) console.log(`  ${String(count).padStart(8)}  ${reason}`)
  console.log(`${total.faults.length} disagreements`)
  for (const fault of total.faults) console.log(`  ${fault}`)
}

if (isMainThread) await main()
else parentPort!.postMessage(runShare(workerData as Share))
