/**
 * Runs the compiled tests (`*.test.js` under build/test) with node's test runner; arguments narrow by substring of the path.
 * A file that fails beside others is run once more with the machine to itself: what fails then fails the run, what passes
 * then is told as flaky.
 */
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { relative, resolve } from 'node:path'
import process from 'node:process'
import { finished } from 'node:stream/promises'
import { run } from 'node:test'
import { spec, tap } from 'node:test/reporters'

const sourceOf = (file) => file.replace('/build/test/', '/test/').replace(/\.js$/, '.ts')

/** Runs the files; gives those with a failure. */
async function failing(files, concurrency) {
  const failed = new Set()
  const events = run({ files, concurrency, timeout: 120_000 })
  events.on('test:fail', ({ file, name, todo }) => {
    if (todo !== undefined) return
    // The test of a file as such has the path for its name. By source maps the file may be told as its source.
    const told = resolve(file ?? name)
    failed.add(files.find((one) => one === told || sourceOf(one) === told) ?? told)
  })
  const report = process.stdout.isTTY ? events.compose(new spec()) : events.compose(tap)
  report.pipe(process.stdout, { end: false })
  await finished(report)
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
