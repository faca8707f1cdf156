/**
 * Runs the compiled tests (`*.test.js` under build/test) with node's test runner; arguments narrow by substring of the path,
 * those that begin with `!` leave out.
 * Files of a folder share a process, for to load what they test costs more than most of them do; those that look at, change
 * or start processes have one of their own. A file that fails beside others is run once more, in a process and with the
 * machine to itself: what fails then fails the run, what passes then is told as flaky. A process that does not end behind its
 * last test, as after a failure that left something open, is ended; what takes too long is killed with all that it started.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, dirname, relative, resolve } from 'node:path'
import process from 'node:process'
import { finished } from 'node:stream/promises'
import { run } from 'node:test'
import { spec, tap } from 'node:test/reporters'
import { pathToFileURL } from 'node:url'

// Where it is set, Node 20 parses all authorities of the machine at each start, a tenth of a second: no test needs them.
delete process.env.NODE_EXTRA_CA_CERTS

/** For a process, whether it has one file or several. */
const TIMEOUT_MS = 200_000

/** What is still open so long after the last test of a process would keep it for ever. */
const ENDS_WITHIN_MS = 20_000

/** Where the programs of the processes are written. */
const GROUPS = resolve('build/groups')

/** Enough that loading does not count, few enough that the last process is not waited for. */
const FILES_IN_GROUP = 6

/** What takes longest begins first: nothing else would be left to run beside it. */
const LONGEST = /\/(ui|process|stores|idempotency|diagnosis|aggregator)\//

/** What a process has one of, and what takes the machine: said in a file, it runs in a process of its own. */
const NEEDS_OWN_PROCESS =
  /memoryUsage|support\/heap|\bgc\(|\bmock\.|globalThis|process\.(env|on|once|exit|chdir|emit|umask|report)\b|spawn|fork\(|playwright|createPair|sending-process|chdb/

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
      if (performance.now() - seen.get(pid) < TIMEOUT_MS) continue
      console.log(
        `# killed after ${TIMEOUT_MS / 1000} s: ${ofProcess(pid, 'cmdline').split('\0').filter(Boolean).at(-1)}`,
      )
      killTree(pid)
    }
  }, 1000)
  return () => clearInterval(timer)
}

const sourceOf = (file) => file.replace('/build/test/', '/test/').replace(/\.js$/, '.ts')

/** Of the suite that a file is where it shares a process. */
const titleOf = (file) => relative('build/test', file)

/** What one process each runs: path of the program by the files that it has. */
function programs(files) {
  const programs = new Map()
  const open = new Map()
  for (const file of files) {
    if (NEEDS_OWN_PROCESS.test(readFileSync(file, 'utf8'))) {
      programs.set(ownProgram(file), [file])
      continue
    }
    const folder = dirname(file)
    let group = open.get(folder)
    if (group === undefined || group.length === FILES_IN_GROUP) {
      group = []
      open.set(folder, group)
      programs.set(resolve(GROUPS, `${basename(folder)}-${programs.size}.mjs`), group)
    }
    group.push(file)
  }
  return programs
}

const ownProgram = (file) => resolve(GROUPS, `${titleOf(file).replaceAll(/[/\\]/g, '-').replace(/\.js$/, '')}.mjs`)

function writePrograms(programs) {
  rmSync(GROUPS, { recursive: true, force: true })
  mkdirSync(GROUPS, { recursive: true })
  for (const [program, group] of programs) writeFileSync(program, programOf(group))
}

/**
 * A suite for each of several files: its hooks are then for its own tests, and run when it is its turn. The hook of the whole
 * runs when the last test is over, whatever is still open.
 */
function programOf(files) {
  const modules = files.map((file) => JSON.stringify(pathToFileURL(file).href))
  const suites = files.map(
    (file, i) => `describe(${JSON.stringify(titleOf(file))}, async () => {\n  await import(${modules[i]})\n})\n`,
  )
  return `import { after, describe } from 'node:test'

after(() => {
  const end = () => {
    console.error('# still open behind the last test:', process.getActiveResourcesInfo().join(' '))
    process.exit(1)
  }
  setTimeout(end, ${ENDS_WITHIN_MS}).unref()
})

${files.length === 1 ? `await import(${modules[0]})\n` : suites.join('')}`
}

/** Runs the programs; gives the files with a failure. */
async function failing(programs, concurrency) {
  writePrograms(programs)
  const failed = new Set()
  const events = run({ files: [...programs.keys()], concurrency })
  const files = [...programs.values()].flat()
  events.on('test:fail', ({ file, name, todo, details }) => {
    // A suite fails with what is in it.
    if (todo !== undefined || (details.type === 'suite' && details.error?.failureType === 'subtestsFailed')) return
    // The test of a program as such has the path for its name. By source maps the file may be told as its source.
    const told = resolve(file ?? name)
    const ofFile = files.find((one) => [one, sourceOf(one)].includes(told) || titleOf(one) === name)
    for (const one of ofFile === undefined ? (programs.get(told) ?? [told]) : [ofFile]) failed.add(one)
  })
  const report = process.stdout.isTTY ? events.compose(new spec()) : events.compose(tap)
  report.pipe(process.stdout, { end: false })
  const stopWatching = watchdog()
  await finished(report)
  stopWatching()
  return [...failed]
}

const wanted = process.argv.slice(2).filter((part) => !part.startsWith('!'))
const unwanted = process.argv.slice(2).flatMap((part) => (part.startsWith('!') ? [part.slice(1)] : []))
const files = readdirSync('build/test', { recursive: true })
  .map((file) => resolve('build/test', file))
  .filter((file) => file.endsWith('.test.js') && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .filter((file) => !unwanted.some((part) => file.includes(part)))
  .sort((a, b) => Number(LONGEST.test(b)) - Number(LONGEST.test(a)))
if (files.length === 0) {
  console.error(`no test file matches ${process.argv.slice(2).join(' ')}`)
  process.exit(1)
}
// Many wait for time to pass: two more than there are cores.
const suspects = await failing(programs(files), availableParallelism() + 2)
const failed =
  suspects.length === 0 ? [] : await failing(new Map(suspects.map((file) => [ownProgram(file), [file]])), 1)
for (const file of suspects) {
  console.log(`# ${failed.includes(file) ? 'failed twice' : 'flaky: passed alone'}: ${relative('build', file)}`)
}
process.exit(failed.length === 0 ? 0 : 1)
