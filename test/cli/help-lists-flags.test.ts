import assert from 'node:assert/strict'
import test from 'node:test'
import { COMMANDS } from '../../src/config/commands.ts'
import { settingsFor } from '../../src/config/schema.ts'
import { hopscope } from './support.ts'

for (const command of COMMANDS) {
  test(`hopscope ${command} --help lists the flags of all its settings and of no other`, async () => {
    const { code, stdout } = await hopscope([command, '--help'])
    assert.equal(code, 0)
    const listed = [...stdout.matchAll(/^ +(?:-\w, )?(--[a-z0-9-]+)/gm)].map((match) => match[1]!)
    const own = command === 'dev' ? ['--config', '--help', '--demo', '--https'] : ['--config', '--help']
    const expected = [...settingsFor(command).map(({ flag }) => flag), ...own]
    assert.deepEqual(listed.sort(), expected.sort())
  })
}

test('hopscope --help lists the commands that exist', async () => {
  const { code, stdout } = await hopscope(['--help'])
  assert.equal(code, 0)
  const commands = [...stdout.slice(stdout.indexOf('Commands:')).matchAll(/^ {2}([a-z][a-z-]*)/gm)].map((m) => m[1])
  assert.deepEqual(commands, [
    'dev',
    'proxy',
    'sidecar',
    'iptables',
    'aggregator',
    'injector',
    'drain',
    'wait',
    'recording',
    'replay',
    'check-config',
    'explain',
    'help',
  ])
})
