import assert from 'node:assert/strict'
import test from 'node:test'
import { COMMANDS } from '../../src/config/commands.ts'
import { configJsonSchema } from '../../src/config/json-schema.ts'
import { SETTINGS, settingByPath, settingsFor } from '../../src/config/schema.ts'
import { defaultOf } from '../../src/config/setting.ts'
import { accepted } from './support.ts'

test('every setting has names of its own, a sentence and valid defaults', () => {
  for (const key of ['path', 'env', 'flag'] as const) {
    assert.equal(new Set(SETTINGS.map((one) => one[key])).size, SETTINGS.length, key)
  }
  for (const setting of SETTINGS) {
    assert.match(setting.doc, /\.$/, setting.path)
    assert.ok(setting.commands.length > 0, setting.path)
    for (const command of COMMANDS) {
      const value = defaultOf(setting, command)
      if (value !== undefined) assert.ok(setting.kind.zod.safeParse(value).success, `${setting.path} for ${command}`)
    }
  }
})

test('names are derived from the path', () => {
  const { env, flag } = settingByPath.get('timeouts.connectMs')!
  assert.deepEqual([env, flag], ['HOPSCOPE_TIMEOUTS_CONNECT_MS', '--timeouts-connect-ms'])
})

test('the stable flags are there, by command', () => {
  const flagsOf = (command: (typeof COMMANDS)[number]): Set<string> =>
    new Set(settingsFor(command).map(({ flag }) => flag))
  const shared = ['--concurrency', '--admin', '--metrics', '--otlp-endpoint', '--sample', '--access-log']
  const later = ['--tls-cert', '--tls-key', '--idempotency-store']
  for (const flag of [...shared, ...later, '--listen', '--upstream']) assert.ok(flagsOf('proxy').has(flag), flag)
  for (const flag of [...shared, ...later, '--port']) assert.ok(flagsOf('sidecar').has(flag), flag)
  for (const flag of ['--target', '--port']) assert.ok(flagsOf('dev').has(flag), flag)
})

test('the JSON schema has every setting and takes no other', () => {
  interface Node {
    readonly properties?: Readonly<Record<string, Node>>
    readonly additionalProperties?: unknown
    readonly required?: unknown
    readonly description?: string
  }
  const root = configJsonSchema() as Node
  assert.equal(root.additionalProperties, false)
  assert.equal(root.required, undefined)
  for (const { path, doc } of SETTINGS) {
    const node = path.split('.').reduce<Node | undefined>((at, key) => at?.properties?.[key], root)
    assert.equal(node?.description, doc, path)
  }
})

test('what a setting accepts and refuses', async () => {
  const accepts: [string, unknown[], unknown[]][] = [
    ['listen', ['127.0.0.1:80', '[::]:0', 'localhost:8080'], [':80', 'host', '1.2.3:80', '[host]:80', 'a:70000', 80]],
    ['admin', ['off', '127.0.0.1:1'], ['on', '']],
    ['upstream.url', ['http://a:1', 'https://a/'], ['a:1', 'ftp://a', 'http://u@a', 'http://a/path', 'http://a?q']],
    ['intercept.excludeOutboundCidrs', [['10.0.0.0/8', 'fd00::/8', '1.2.3.4']], [['10.0.0.0/33'], ['x/8'], '1.2.3.4']],
    ['intercept.proxyUid', [1337], [0, -1, 1.5, '1337']],
    ['timeouts.firstByteMs', [0, 1], [-1]],
    ['timeouts.connectMs', [1], [0]],
    ['trace.propagateTo', [['a.example', '*.example.com', '10.0.0.1', '::1']], [['*'], ['a b'], ['http://a']]],
    ['sample', [0, 0.5, 1], [1.1, '1', Number.NaN]],
  ]
  for (const [path, good, bad] of accepts) {
    const { zod } = settingByPath.get(path)!.kind
    for (const value of good) assert.ok(zod.safeParse(value).success, `${path} ${JSON.stringify(value)}`)
    for (const value of bad) assert.ok(!zod.safeParse(value).success, `${path} ${JSON.stringify(value)}`)
  }
})

test('an admin server off loopback is warned of', async () => {
  const { warnings } = await accepted({ flags: { admin: '0.0.0.0:15000' } })
  assert.match(warnings[0]!, /admin listens on 0\.0\.0\.0/)
})
