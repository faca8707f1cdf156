import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ProxyError } from '../../src/core/errors.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('the operational log writes JSON lines by level, errors as facts, and never a credential', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'hopscope-log-'))
  const fd = openSync(join(dir, 'log'), 'a')
  const log = createLog({ level: 'info', fd })
  log.debug({}, 'not seen')
  log.warn(
    { authorization: 'Bearer x', otlp: { headers: { 'api-key': 'y' } }, err: new ProxyError('dns_failed', 'dns') },
    'one',
  )
  log.level = 'debug'
  log.debug({ n: 1 }, 'two')
  await log.flush()
  const text = readFileSync(join(dir, 'log'), 'utf8')
  closeSync(fd)
  rmSync(dir, { recursive: true })
  const [one, two] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.equal(one!.level, 'warn')
  assert.equal(one!.msg, 'one')
  assert.equal((one!.err as Record<string, unknown>).code, 'dns_failed')
  assert.equal(two!.n, 1)
  assert.doesNotMatch(text, /Bearer|"y"|not seen/)
})

test('characters that steer a terminal or turn a line round are escaped in the log, and mean the same', async () => {
  const dir = tempFolder()
  const fd = openSync(join(dir, 'log'), 'a')
  const log = createLog({ level: 'info', fd })
  const name = 'pay\u202etxt\u009b31m\u2028\x1b[2J\u200b'
  log.warn({ peer: name }, name)
  await log.flush()
  const text = readFileSync(join(dir, 'log'), 'utf8')
  closeSync(fd)
  assert.doesNotMatch(text.trimEnd(), /[\p{Cc}\p{Cf}\p{Zl}]/u)
  const { peer, msg } = JSON.parse(text) as Record<string, string>
  assert.deepEqual([peer, msg], [name, name])
})
