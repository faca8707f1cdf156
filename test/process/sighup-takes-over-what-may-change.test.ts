/** A running `hopscope proxy` reads its file anew: by SIGHUP, or because the file changed; a bad one changes nothing. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { Origin, ok } from '../support/origin.ts'
import { eventually } from '../support/proxy.ts'
import { Collector } from '../telemetry/collector.ts'
import { answers, childrenOf, type Instance, startInstance } from './instance.ts'

/** Slower than any timeout that the tests set, faster than those they start with. */
const SLOW_MS = 700
let origin: Origin

before(async () => {
  origin = await Origin.start(async (peer) => {
    for (;;) {
      const { start } = await peer.message()
      if (start.includes('/slow')) await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
      peer.send(ok('x'))
    }
  })
})
after(() => origin.close())

class Configured {
  readonly instance: Instance
  readonly #file: string

  private constructor(instance: Instance, file: string) {
    this.instance = instance
    this.#file = file
  }

  static async start(t: TestContext, settings: object, flags: readonly string[] = []): Promise<Configured> {
    const folder = mkdtempSync(join(tmpdir(), 'hopscope-reload-'))
    const file = join(folder, 'hopscope.yaml')
    writeFileSync(file, JSON.stringify(settings))
    const args = ['--config', file, ...flags]
    const instance = await startInstance(`http://127.0.0.1:${origin.port}`, args)
    t.after(async () => {
      await instance.stop('SIGKILL')
      rmSync(folder, { recursive: true })
    })
    return new Configured(instance, file)
  }

  /** Write the file, and have it read if nobody watches. */
  write(content: string, by: 'signal' | 'watch' = 'signal'): void {
    writeFileSync(this.#file, content)
    if (by === 'signal') this.instance.child.kill('SIGHUP')
  }

  /** Write the file and wait for what is said of it. */
  async told(content: string, saying: string, by: 'signal' | 'watch' = 'signal'): Promise<string> {
    const from = this.instance.lines.length
    this.write(content, by)
    const find = (): string | undefined => this.instance.lines.slice(from).find((line) => line.includes(saying))
    await eventually(`line with ${saying}`, () => find() !== undefined)
    return find()!
  }

  async status(path: string): Promise<number> {
    const { port } = this.instance
    return new Promise((resolve, reject) => {
      const call = request({ port, host: '127.0.0.1', path, agent: false }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0))
      })
      call.on('error', reject).end()
    })
  }

  /** What the admin server says of a setting. */
  async shown(path: string): Promise<unknown> {
    const settings = await (await fetch(`http://127.0.0.1:${this.instance.adminPort}/config`)).json()
    return (settings as { path: string; value: unknown }[]).find((one) => one.path === path)?.value
  }
}

const READ = '"msg":"configuration read"'

for (const by of ['signal', 'watch'] as const) {
  test(`timeouts, by ${by}: they hold for the next request, and /config shows them`, async (t) => {
    const proxy = await Configured.start(t, { timeouts: { firstByteMs: 5000 } })
    assert.equal(await proxy.status('/slow'), 200)
    await proxy.told(JSON.stringify({ timeouts: { firstByteMs: 100 } }), READ, by)
    assert.equal(await proxy.status('/slow'), 504)
    assert.equal(await proxy.shown('timeouts.firstByteMs'), 100)
  })
}

test('a file with a fault changes nothing, and the log has the report', async (t) => {
  const proxy = await Configured.start(t, { timeouts: { firstByteMs: 100 } })
  const bad = JSON.stringify({ timeouts: { firstByteMs: 'soon' }, sample: 7, moons: 1 })
  const line = await proxy.told(bad, 'the new configuration is refused')
  for (const fault of ['timeouts.firstByteMs', 'sample', 'moons']) assert.match(line, new RegExp(fault))
  assert.equal(await proxy.status('/slow'), 504)
  assert.equal(await proxy.shown('timeouts.firstByteMs'), 100)
  assert.equal(await proxy.shown('sample'), 1)
  // And the next good one is taken.
  await proxy.told(JSON.stringify({ timeouts: { firstByteMs: 5000 } }), READ)
  assert.equal(await proxy.status('/slow'), 200)
})

test('what waits for a restart is named', async (t) => {
  const proxy = await Configured.start(t, {})
  const line = await proxy.told(JSON.stringify({ sample: 0.5, limits: { connections: 7 } }), READ)
  const { changed, needRestart } = JSON.parse(line)
  assert.deepEqual([changed, needRestart], [['sample'], ['limits.connections']])
  assert.notEqual(await proxy.shown('limits.connections'), 7)
})

test('the level of the log', async (t) => {
  const proxy = await Configured.start(t, {})
  const level = async (): Promise<string> =>
    await (await fetch(`http://127.0.0.1:${proxy.instance.adminPort}/log-level`)).text()
  assert.match(await level(), /info/)
  // At level warn the reading itself is not told any more.
  proxy.write(JSON.stringify({ log: { level: 'warn' } }))
  while (!/warn/.test(await level())) await new Promise((resolve) => setTimeout(resolve, 20))
  await proxy.told(JSON.stringify({ log: { level: 'info' } }), READ)
  assert.equal(proxy.instance.lines.filter((line) => line.includes(READ)).length, 1)
})

for (const concurrency of ['1', '2']) {
  test(`the level that the admin server set stays where another setting changes, --concurrency ${concurrency}`, async (t) => {
    const proxy = await Configured.start(t, {}, ['--concurrency', concurrency])
    const address = `http://127.0.0.1:${proxy.instance.adminPort}/log-level`
    await fetch(address, { method: 'POST', body: 'debug' })
    await proxy.told(JSON.stringify({ timeouts: { firstByteMs: 5000 } }), READ)
    assert.match(await (await fetch(address)).text(), /debug/)
    // At that level nothing tells of it.
    proxy.write(JSON.stringify({ log: { level: 'warn' } }))
    await eventually('level of the file', async () => /warn/.test(await (await fetch(address)).text()))
  })
}

test('the access log', async (t) => {
  const proxy = await Configured.start(t, { accessLog: 'off' })
  await proxy.status('/unlogged')
  await proxy.told(JSON.stringify({ accessLog: 'all' }), READ)
  await proxy.status('/logged')
  const { accessLog } = proxy.instance
  await eventually('a line', () => accessLog.length > 0)
  await proxy.told(JSON.stringify({ accessLog: 'off' }), READ)
  await proxy.status('/unlogged')
  await proxy.instance.stop()
  assert.deepEqual(
    accessLog.map((line) => JSON.parse(line).path),
    ['/logged'],
  )
})

test('the share of traces', async (t) => {
  const collector = await new Collector().start()
  t.after(() => collector.stop())
  const flags = ['--otlp-endpoint', collector.endpoint, '--otlp-schedule-ms', '20']
  const proxy = await Configured.start(t, { sample: 1 }, flags)
  await proxy.status('/seen')
  await eventually('a span', () => collector.spans.length === 1)
  await proxy.told(JSON.stringify({ sample: 0 }), READ)
  for (let i = 0; i < 5; i++) await proxy.status('/unseen')
  await proxy.told(JSON.stringify({ sample: 1 }), READ)
  await proxy.status('/again')
  await eventually('a span', () => collector.spans.length >= 2)
  assert.deepEqual(
    collector.spans.map(({ attributes }) => attributes['url.path']),
    ['/seen', '/again'],
  )
})

for (const by of ['signal', 'watch'] as const) {
  test(`several processes, by ${by}: all take it over, and one line tells of it`, async (t) => {
    const proxy = await Configured.start(t, { timeouts: { firstByteMs: 5000 } }, ['--concurrency', '2'])
    await proxy.told(JSON.stringify({ timeouts: { firstByteMs: 100 } }), READ, by)
    // Each connection may go to either process.
    const statuses = await Promise.all(Array.from({ length: 8 }, () => proxy.status('/slow')))
    assert.deepEqual(new Set(statuses), new Set([504]))
    const bad = JSON.stringify({ timeouts: { firstByteMs: 'soon' } })
    await proxy.told(bad, 'the new configuration is refused', by)
    await proxy.told(JSON.stringify({ timeouts: { firstByteMs: 5000 } }), READ, by)
    assert.equal(await proxy.status('/slow'), 200)
    // A signal and the watch may both read a file; what changed is told once all the same.
    const told = proxy.instance.lines.filter((line) => line.includes('"changed":["timeouts.firstByteMs"]'))
    assert.equal(told.length, 2, told.join('\n'))
  })
}

test('a process that is replaced runs what is in effect, not what the file says', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const proxy = await Configured.start(t, { timeouts: { firstByteMs: 5000 } }, ['--concurrency', '2'])
  const { instance } = proxy
  const killOne = async (): Promise<void> => {
    const [killed] = childrenOf(instance.child)
    process.kill(killed!, 'SIGKILL')
    await eventually('replacement', async () => {
      return !childrenOf(instance.child).includes(killed!) && (await answers(instance)).length === 2
    })
  }
  const timeouts = { firstByteMs: 100 }
  await proxy.told(JSON.stringify({ timeouts, idempotency: { mode: 'honour', store: 'file:/nowhere' } }), READ)
  await killOne()
  assert.deepEqual(await answers(instance), [{ store: 'off' }, { store: 'off' }], 'that waits for a restart')
  await proxy.told('nonsense: 1', 'the new configuration is refused')
  await killOne()
  const statuses = await Promise.all(Array.from({ length: 8 }, () => proxy.status('/slow')))
  assert.deepEqual(new Set(statuses), new Set([504]))
})

for (const concurrency of ['1', '2']) {
  test(`a SIGHUP during the start does not end it, --concurrency ${concurrency}`, {
    skip: process.platform !== 'linux',
  }, async (t) => {
    const addresses = ['--listen', '127.0.0.1:0', '--admin', 'off', '--metrics', 'off']
    const args = ['proxy', '--upstream', 'http://127.0.0.1:1', '--concurrency', concurrency, ...addresses]
    const child = spawn(process.execPath, ['build/cli/main.js', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    t.after(async () => {
      child.kill('SIGTERM')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    })
    let log = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text
    })
    // Bit 0 is SIGHUP. Before our code runs, there is nothing to be done.
    const isCaught = (): boolean =>
      (Number.parseInt(/^SigCgt:\s*\S*(\S)$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]!, 16) & 1) ===
      1
    await eventually('handler of SIGHUP', isCaught)
    assert.doesNotMatch(log, /"msg":"listening"/)
    child.kill('SIGHUP')
    await eventually('start', () => log.includes('"msg":"listening"') || child.signalCode !== null)
    assert.equal(child.signalCode, null)
  })
}
