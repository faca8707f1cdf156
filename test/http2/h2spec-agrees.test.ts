/** h2spec (github.com/summerwind/h2spec), where it is installed: all of it but the exceptions of docs/conformance.md. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { Origin, ok } from '../support/origin.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { toHttp1 } from './frame-origin.ts'

/** Section and description of cases that are not to pass, each with its reason in docs/conformance.md. */
const EXCEPTIONS: ReadonlySet<string> = new Set([
  '3.5 Sends invalid connection preface',
  '5.3.1 Sends HEADERS frame that depend on itself',
  '5.3.1 Sends PRIORITY frame that depend on itself',
])

const found = [process.env.GOBIN ?? '', ...(process.env.PATH ?? '').split(delimiter)]
  .filter((folder) => folder !== '')
  .map((folder) => join(folder, 'h2spec'))
  .find(existsSync)

/** Cases of a JUnit report, as `section description`, and whether each passed. */
function results(report: string): Map<string, boolean> {
  const cases = new Map<string, boolean>()
  const tests = report.matchAll(
    /<testcase package="[^"]*?\/?([\d.]+)" classname="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  )
  for (const [, section, name, body = ''] of tests) cases.set(`${section} ${name}`, !/<(failure|error)/.test(body))
  return cases
}

test('h2spec', { skip: found === undefined && 'needs h2spec on PATH or in GOBIN' }, async (t) => {
  const origin = await Origin.answering(() => ok('hello'))
  const { proxy } = await toHttp1(t, origin)
  const folder = tempFolder()
  const file = join(folder, 'report.xml')
  const run = spawn(found!, ['-h', '127.0.0.1', '-p', String(proxy.port), '-o', '3', '-j', file], { stdio: 'ignore' })
  await once(run, 'exit')
  const cases = results(readFileSync(file, 'utf8'))
  assert.ok(cases.size > 100, `${cases.size} cases`)
  const failed = [...cases].filter(([, passed]) => !passed).map(([name]) => name)
  assert.deepEqual(failed.toSorted(), [...EXCEPTIONS].toSorted())
})
