import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import test from 'node:test'
import { tempFile } from '../config/support.ts'
import { hopscope } from './support.ts'

test('a command line that is refused exits 2 and says why', async () => {
  const cases: [string[], RegExp][] = [
    [['no-such-command'], /unknown command/],
    [['proxy', '--no-such-flag'], /unknown option/],
    [['proxy', '--sampel', '1'], /--sample/],
    [['proxy', '--listen'], /argument missing/],
    [['iptables', 'destroy'], /apply, check, clean/],
    [['proxy', '--target', 'http://a'], /unknown option/],
  ]
  for (const [args, why] of cases) {
    const { code, stderr } = await hopscope(args)
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, why)
  }
})

test('a configuration that is refused exits 2 with all faults, for each command', async (t) => {
  const file = tempFile(t, 'sample: 3\nnonsense: 1\n')
  for (const args of [['proxy'], ['sidecar'], ['dev'], ['iptables', 'check'], ['check-config']]) {
    const { code, stdout, stderr } = await hopscope([...args, '--config', file])
    assert.deepEqual([code, stdout], [2, ''], args[0])
    assert.match(stderr, /sample \(.*:1\): 3, expected a number, 0 to 1/)
    assert.match(stderr, /nonsense \(.*:2\)/)
  }
})

test('proxy without an upstream says what is missing', async (t) => {
  const { code, stderr } = await hopscope(['proxy'], { cwd: tempFile(t, '').replace(/\/[^/]+$/, '') })
  assert.equal(code, 2)
  assert.match(stderr, /upstream\.url: expected .*--upstream, HOPSCOPE_UPSTREAM_URL or the file/)
})

test('--version prints the version of the package', async () => {
  const { code, stdout } = await hopscope(['--version'])
  assert.equal(code, 0)
  assert.match(stdout, /^\d+\.\d+\.\d+/)
})

for (const concurrency of ['1', '2']) {
  test(`a server that cannot have an address exits 1, --concurrency ${concurrency}`, async (t) => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    t.after(() => other.close())
    const taken = `127.0.0.1:${(other.address() as AddressInfo).port}`
    for (const name of ['listen', 'admin', 'metrics']) {
      const addresses = { listen: '127.0.0.1:0', admin: 'off', metrics: 'off', [name]: taken }
      const flags = Object.entries(addresses).flatMap(([flag, address]) => [`--${flag}`, address])
      const args = ['proxy', '--upstream', 'http://127.0.0.1:1', '--concurrency', concurrency, ...flags]
      // The other processes have the same standard error: it closes when all have ended.
      const { code, stderr } = await hopscope(args)
      assert.equal(code, 1, name)
      assert.match(stderr, /EADDRINUSE/)
    }
  })
}
