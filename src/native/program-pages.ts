/**
 * Pages of Node's own program that only the start needed. The kernel leaves what was once touched in a process until
 * memory is short; one that lives long gives it back (ADR 91).
 */
import { readFileSync } from 'node:fs'
import { libc } from './libc.ts'

const MADV_DONTNEED = 4
/** A mapping that cannot be written (proc_pid_smaps(5)): start, end, file, and the lines of its figures. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \d+ +(\S.*)\n((?:[A-Z]\w+: .*\n)+)/gm

/**
 * Take the program's file out of this process's memory. What is used again comes back from the page cache, by a minor
 * fault for each 64 KiB; so only what is the file's alone goes, nothing that was relocated. Takes a few milliseconds.
 * Returns the bytes given back, 0 without FFI or /proc.
 */
export function releaseProgramPages(): number {
  const calls = libc()
  if ('missing' in calls) return 0
  let released = 0
  for (const [, start, end, file, figures] of readSmaps().matchAll(MAPPING)) {
    if (file !== process.execPath || kib(figures!, 'Anonymous') !== 0 || kib(figures!, 'Swap') !== 0) continue
    const at = Number.parseInt(start!, 16)
    if (calls.madvise(at, Number.parseInt(end!, 16) - at, MADV_DONTNEED) === 0) released += kib(figures!, 'Rss') * 1024
  }
  return released
}

function readSmaps(): string {
  try {
    return readFileSync('/proc/self/smaps', 'utf8')
  } catch {
    return '' // no /proc here
  }
}

/** NaN where the kernel does not tell. */
function kib(figures: string, name: string): number {
  return Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(figures)?.[1])
}
