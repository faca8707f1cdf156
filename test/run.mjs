/**
 * Runs the compiled tests (`*.test.js` under build/test) with node's test runner; arguments narrow by substring of the path.
 * A file that fails beside others is run once more with the machine to itself: what fails then fails the run, what passes
 * then is told as flaky. A file that takes too long is killed with all that it started.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { relative, resolve } from 'node:path'
import process from 'node:process'
import { finished } from 'node:stream/promises'
import { run } from 'node:test'
import { spec, tap } from 'node:test/reporters'

const FILE_TIMEOUT_MS = 120_000

/** What /proc tells of a process; empty where it is gone. */
function ofProcess(pid, what) {
  try {
    return readFileSync(`/proc/${pid}/${what}`, 'utf8')
  } catch {
    return ''
  }
}

const childrenOf = (pid) => ofProcess(pid, `task/${pid}/children`).split(' ').filter(Boolean).map(Number)

/** Leaves first: a parent could start another, and an orphan could not be found again. */
function killTree(pid) {
  for (const child of childrenOf(pid)) killTree(child)
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/**
 * Kills files that take too long. The runner's own timeout leaves running what a file started (Node 20), or is for each test,
 * so that a file that loops, or leaves a handle open behind its last test, runs for ever (Node 22 and later).
 */
function watchdog() {
  const seen = new Map()
  const timer = setInterval(() => {
    for (const pid of childrenOf(process.pid)) {
      if (!seen.has(pid)) seen.set(pid, performance.now())
      if (performance.now() - seen.get(pid) < FILE_TIMEOUT_MS) continue
      console.log(
        `# killed after ${FILE_TIMEOUT_MS / 1000} s: ${ofProcess(pid, 'cmdline').split('\0').filter(Boolean).at(-1)}`,
      )
      killTree(pid)
    }
  }, 1000)
  return () => clearInterval(timer)
}

const sourceOf = (file) => file.replace('/build/test/', '/test/').replace(/\.js$/, '.ts')

/** Runs the files; gives those with a failure. */
async function failing(files, concurrency) {
  const failed = new Set()
  const events = run({ files, concurrency })
  events.on('test:fail', ({ file, name, todo }) => {
    if (todo !== undefined) return
    // The test of a file as such has the path for its name. By source maps the file may be told as its source.
    const told = resolve(file ?? name)
    failed.add(files.find((one) => one === told || sourceOf(one) === told) ?? told)
  })
  const report = process.stdout.isTTY ? events.compose(new spec()) : events.compose(tap)
  report.pipe(process.stdout, { end: false })
  const stopWatching = watchdog()
  await finished(report)
  stopWatching()
  return [...failed]
}

const wanted = process.argv.slice(2)
const files = readdirSync('build/test', { recursive: true })
  .map((file) => resolve('build/test', file))
  .filter((file) => file.endsWith('.test.js') && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(' ')}`)
  process.exit(1)
}
// Many wait for time to pass: two more than there are cores.
const suspects = await failing(files, availableParallelism() + 2)
const failed = suspects.length === 0 ? [] : await failing(suspects, 1)
for (const file of suspects) {
  console.log(`# ${failed.includes(file) ? 'failed twice' : 'flaky: passed alone'}: ${relative('build', file)}`)
}
process.exit(failed.length === 0 ? 0 : 1)
