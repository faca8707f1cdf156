/** Is this Node fit to stand in the path of other people's traffic? */
import cluster from 'node:cluster'
import { warn } from './warn.ts'

interface Line {
  /** End of life, after which holes stay open (nodejs.org/en/about/previous-releases). */
  readonly ends: string
  /** First release without the holes known in what we use (HTTP/2, TLS, header tables), where there is one. */
  readonly safeFrom?: string
}

/** By major version. */
const LINES: Readonly<Record<number, Line>> = {
  20: { ends: '2026-04-30', safeFrom: '20.20.2' },
  21: { ends: '2024-06-01' },
  22: { ends: '2027-04-30', safeFrom: '22.23.2' },
  23: { ends: '2025-06-01' },
  24: { ends: '2028-04-30', safeFrom: '24.18.1' },
  25: { ends: '2026-06-01' },
  26: { ends: '2029-04-30' },
}

/** One sentence about what is wrong with a Node version (`24.18.1`) on a day; undefined where nothing is known. */
export function runtimeWarning(version: string, today: Date): string | undefined {
  const line = LINES[Number.parseInt(version, 10)]
  if (line === undefined) return undefined
  if (today >= new Date(line.ends)) {
    return `Node ${version} has had no security fixes since ${line.ends}; use Node 24 or newer`
  }
  if (line.safeFrom !== undefined && isBefore(version, line.safeFrom)) {
    return `Node ${version} has known security holes; use ${line.safeFrom} or newer`
  }
  return undefined
}

function isBefore(version: string, other: string): boolean {
  const [a, b] = [parts(version), parts(other)]
  const at = a.findIndex((part, i) => part !== b[i])
  return at !== -1 && a[at]! < b[at]!
}

/** Numbers of a version; what follows them (`-nightly`) does not count. */
const parts = (version: string): number[] =>
  version
    .split('.')
    .slice(0, 3)
    .map((part) => Number.parseInt(part, 10))

/** One line on stderr where this Node is old or known to be vulnerable. */
export function warnOfRuntime(): void {
  // One of the processes of --concurrency: the first one has said it.
  if (cluster.isWorker) return
  const warning = runtimeWarning(process.versions.node, new Date())
  if (warning !== undefined) warn(warning)
}
