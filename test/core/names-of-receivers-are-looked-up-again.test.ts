import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Member, Members } from '../../src/core/members.ts'

const HOSTS = [
  { host: 'headless', port: 4317 },
  { host: 'single', port: 4318 },
]

test('each address of a name is a receiver; a name of one address keeps its name', async () => {
  const answers: Record<string, readonly string[] | Error> = {
    headless: ['10.0.0.2', '10.0.0.1'],
    single: ['10.0.0.9'],
  }
  const told: (readonly Member[])[] = []
  const lookup = async (host: string): Promise<readonly string[]> => {
    const answer = answers[host]!
    if (answer instanceof Error) throw answer
    return answer
  }
  const members = new Members({ hosts: HOSTS, lookup, everyMs: 60_000, onChange: (list) => told.push(list) })
  const names = (): string[] => members.current.map(({ name }) => name)
  assert.deepEqual(names(), ['headless:4317', 'single:4318'])
  await members.refresh()
  assert.deepEqual(names(), ['10.0.0.1:4317', '10.0.0.2:4317', 'single:4318'])
  assert.deepEqual(members.current[0], {
    ...{ name: '10.0.0.1:4317', host: '10.0.0.1', port: 4317, serverName: 'headless' },
  })
  assert.equal(told.length, 1)

  // Another order, and another address of the single one: the same receivers.
  answers.headless = ['10.0.0.1', '10.0.0.2']
  answers.single = ['10.0.0.10']
  await members.refresh()
  assert.equal(told.length, 1)

  answers.headless = new Error('SERVFAIL')
  await members.refresh()
  assert.equal(members.current.length, 3)

  answers.headless = ['10.0.0.1', '10.0.0.3', '10.0.0.4']
  await members.refresh()
  assert.deepEqual(names(), ['10.0.0.1:4317', '10.0.0.3:4317', '10.0.0.4:4317', 'single:4318'])
  assert.equal(told.length, 2)
  members.close()
})

test('both families of a host are one receiver', async () => {
  const lookup = async (): Promise<string[]> => ['::1', '127.0.0.1']
  const hosts = [{ host: 'localhost', port: 4317 }]
  const members = new Members({ hosts, lookup, everyMs: 60_000, onChange: () => assert.fail('nothing changed') })
  await members.refresh()
  assert.deepEqual(
    members.current.map(({ name, host }) => [name, host]),
    [['localhost:4317', 'localhost']],
  )
  members.close()
})

test('addresses of the sixth version stand in brackets', async () => {
  const lookup = async (): Promise<string[]> => ['fd00::2', 'fd00::1']
  const hosts = [{ host: 'six', port: 4317 }]
  const members = new Members({ hosts, lookup, everyMs: 60_000, onChange: () => {} })
  await members.refresh()
  assert.deepEqual(
    members.current.map(({ name }) => name),
    ['[fd00::1]:4317', '[fd00::2]:4317'],
  )
  members.close()
})
