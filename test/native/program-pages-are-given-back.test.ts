import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { libc } from '../../src/native/libc.ts'

const calls = libc()
const skip = 'missing' in calls && calls.missing
const url = new URL('../../src/native/program-pages.js', import.meta.url).href

/** In a process of its own: what it says, parsed. */
function inFreshProcess(script: string): unknown {
  const { stdout, stderr, status, signal } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `import { releaseProgramPages } from '${url}'\n${script}`],
    { encoding: 'utf8' },
  )
  assert.deepEqual({ stderr, status, signal }, { stderr: '', status: 0, signal: null })
  return JSON.parse(stdout)
}

test('the program is out of memory, and all of it works as before', { skip }, () => {
  const { before, after, released, answers } = inFreshProcess(`
    import { readFileSync } from 'node:fs'
    import { createServer } from 'node:http'
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    import { createHash } from 'node:crypto'
    import { gzipSync, gunzipSync } from 'node:zlib'
    const fileKiB = () => Number(/RssFile:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1])
    // As in a proxy: another thread is running while it happens.
    const busy = new Worker('setInterval(() => JSON.parse(JSON.stringify({ a: [1, "x"] })), 1)', { eval: true })
    await once(busy, 'online')
    const before = fileKiB()
    const released = releaseProgramPages() / 1024
    const after = fileKiB()
    const server = createServer((q, s) => s.end('served')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const answer = await fetch('http://127.0.0.1:' + server.address().port)
    const answers = [
      await answer.text(),
      gunzipSync(gzipSync('zipped')).toString(),
      createHash('sha256').update('').digest('hex').slice(0, 8),
      'ÀB'.normalize('NFD').length,
      new Intl.DateTimeFormat('de', { month: 'long', timeZone: 'UTC' }).format(0),
    ]
    await busy.terminate()
    server.closeAllConnections()
    server.close()
    console.log(JSON.stringify({ before, after, released, answers }))`) as {
    before: number
    after: number
    released: number
    answers: unknown[]
  }
  assert.deepEqual(answers, ['served', 'zipped', 'e3b0c442', 3, 'Januar'])
  assert.ok(released > 8 * 1024, `${released} KiB`)
  // What the call itself runs on is back already.
  assert.ok(before - after > released / 2, `${before} KiB of files before, ${after} after, ${released} said`)
})

test('pages that were relocated stay: they are nowhere else', { skip }, () => {
  const own = /^\S+ r-[x-]p .*\n(?:[A-Z]\w+: .*\n)*?Anonymous: +[1-9]\d* kB/m
  assert.match(readFileSync('/proc/self/smaps', 'utf8'), own, 'no such mapping here: this test shows nothing')
  const [before, after] = inFreshProcess(`
    import { readFileSync } from 'node:fs'
    const ownRelocated = () => [...readFileSync('/proc/self/smaps', 'utf8')
      .matchAll(/^\\S+ r-[x-]p \\S+ \\S+ \\d+ +\\S.*\\n(?:[A-Z]\\w+: .*\\n)*?Anonymous: +(\\d+) kB/gm)].map((m) => Number(m[1]))
    const sum = (all) => all.reduce((a, b) => a + b, 0)
    const before = sum(ownRelocated())
    releaseProgramPages()
    console.log(JSON.stringify([before, sum(ownRelocated())]))`) as [number, number]
  assert.ok(before > 0)
  // The library that makes the call brought pages of its own.
  assert.ok(after >= before, `${before} KiB before, ${after} after`)
})

test('on another system nothing happens', () => {
  const released = inFreshProcess(
    `Object.defineProperty(process, 'platform', { value: 'darwin' })\nconsole.log(releaseProgramPages())`,
  )
  assert.equal(released, 0)
})
