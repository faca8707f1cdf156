import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { faultReport } from '../../src/config/fault.ts'
import { loadConfig } from '../../src/config/load.ts'
import { LiveConfig, watchFile } from '../../src/config/reload.ts'
import { reread } from '../../src/config/reread.ts'
import { tempFile } from './support.ts'

async function running(file: string): Promise<LiveConfig> {
  const input = { command: 'sidecar', file, env: {}, flags: { 'log.level': 'warn' } } as const
  const loaded = await loadConfig(input)
  assert.ok(loaded.ok)
  return new LiveConfig(input, loaded, reread)
}

test('a good reload swaps reloadable settings and names those that wait for a restart', async (t) => {
  const file = tempFile(t, 'timeouts: { connectMs: 100 }\nport: 15001\n')
  const live = await running(file)
  const before = live.current
  const heard: (readonly string[])[] = []
  live.onChange((_config, changed) => heard.push(changed))
  writeFileSync(file, 'timeouts: { connectMs: 200 }\nport: 16001\nlog: { level: debug }\naccessLog: all\n')
  const outcome = await live.reload()
  assert.deepEqual(outcome.faults, [])
  assert.deepEqual(outcome.changed, ['accessLog', 'timeouts.connectMs'])
  assert.deepEqual(outcome.needRestart, ['port'])
  assert.deepEqual(heard, [outcome.changed])
  assert.equal(live.current.timeouts.connectMs, 200)
  assert.equal(live.current.port, 15001)
  assert.equal(live.current.log.level, 'warn', 'the flag goes before the file')
  assert.equal(before.timeouts.connectMs, 100, 'who holds the old one is not surprised')
  const shown = live.describe().find(({ path }) => path === 'timeouts.connectMs')
  assert.deepEqual([shown?.value, shown?.origin], [200, `${file}:1`])
})

test('a bad reload changes nothing and says every fault', async (t) => {
  const file = tempFile(t, 'sample: 0.5\n')
  const live = await running(file)
  const before = live.current
  writeFileSync(file, 'sample: 7\naccessLog: sometimes\ntimeouts: { connectMs: 5 }\n')
  const outcome = await live.reload()
  assert.equal(outcome.faults.length, 2)
  assert.equal(live.current, before)
})

test('a configuration that cannot be read again for want of descriptors is a fault, and the next try counts', async (t) => {
  const file = tempFile(t, 'sample: 0.5\n')
  const input = { command: 'sidecar', file, env: {}, flags: {} } as const
  const loaded = await loadConfig(input)
  assert.ok(loaded.ok)
  let tries = 0
  const live = new LiveConfig(input, loaded, async (again, before) => {
    if (tries++ === 0) throw new Error('EMFILE: too many open files')
    return reread(again, before)
  })
  writeFileSync(file, 'sample: 0.25\n')
  const failed = await live.reload()
  assert.match(faultReport(failed.faults), /configuration: EMFILE: too many open files, expected to be able to read it/)
  assert.equal(live.current.sample, 0.5)
  assert.deepEqual((await live.reload()).changed, ['sample'])
  assert.equal(live.current.sample, 0.25)
  assert.ok(Object.isFrozen(live.current.timeouts))
})

test('a watched file is noticed when written, replaced, and swapped behind a symlink', async (t) => {
  const file = tempFile(t, 'sample: 0.1\n', 'plain.yaml')
  const folder = dirname(file)
  const events = new EventEmitter()
  const seen = async (act: () => void, watched: string): Promise<void> => {
    const watcher = watchFile(watched, () => events.emit('change'), 20)
    t.after(() => watcher.close())
    // The watch alone does not keep a process alive; the test has to.
    const alive = setTimeout(() => events.emit('error', new Error(`${watched}: no change seen`)), 5000)
    const changed = once(events, 'change')
    act()
    await changed
    clearTimeout(alive)
    watcher.close()
  }
  await seen(() => writeFileSync(file, 'sample: 0.2\n'), file)
  await seen(() => {
    writeFileSync(`${file}.new`, 'sample: 0.3\n')
    renameSync(`${file}.new`, file)
  }, file)
  // As Kubernetes mounts a ConfigMap: config.yaml → ..data/config.yaml, ..data → ..1, and ..data is swapped.
  for (const version of ['..1', '..2']) {
    mkdirSync(join(folder, version))
    writeFileSync(join(folder, version, 'config.yaml'), `# ${version}\n`)
  }
  symlinkSync('..1', join(folder, '..data'))
  symlinkSync('..data/config.yaml', join(folder, 'config.yaml'))
  await seen(
    () => {
      symlinkSync('..2', join(folder, '..data_tmp'))
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    },
    join(folder, 'config.yaml'),
  )
})
