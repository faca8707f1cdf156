import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { libc } from '../../src/native/libc.ts'
import { originalDestination } from '../../src/native/original-destination.ts'
import { setSocketOption } from '../../src/native/socket-options.ts'
import { bindTransparentSocket } from '../../src/native/transparent-socket.ts'

const calls = libc()
const skip = 'missing' in calls && calls.missing
const root = process.getuid?.() === 0
const fdOf = (socket: Socket | Server): number => (socket as unknown as { _handle: { fd: number } })._handle.fd

test('bad descriptors', { skip }, () => {
  assert.equal(originalDestination(-1, 4), 'EBADF')
  const file = openSync('/dev/null', 'r')
  assert.equal(originalDestination(file, 6), 'ENOTSOCK')
  closeSync(file)
  assert.equal(setSocketOption(-1, 'SO_MARK', 1), 'EBADF')
})

test('a connection that no rule redirected has no other destination than its own', { skip }, async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = (server.address() as AddressInfo).port
  const client = connect(port, '127.0.0.1')
  const [socket] = (await once(server, 'connection')) as [Socket]
  const said = originalDestination(fdOf(socket), 4)
  // Depends on whether the kernel tracks connections here at all.
  if (typeof said === 'string') assert.match(said, /^E[A-Z]+$/)
  else assert.deepEqual(said, { address: '127.0.0.1', port })
  client.destroy()
  socket.destroy()
  server.close()
})

test('an address that is none, and one that is not free', { skip: skip || (!root && 'needs root') }, () => {
  assert.deepEqual(bindTransparentSocket('nonsense', 1), { call: 'bind', errno: 'EINVAL' })
  const fd = bindTransparentSocket('127.0.0.1', 0)
  assert.equal(typeof fd, 'number')
  closeSync(fd as number)
})

test('a transparent socket is listened on by Node, and takes both families', {
  skip: skip || (!root && 'needs root'),
}, async () => {
  const fd = bindTransparentSocket('::', 0)
  assert.equal(typeof fd, 'number', JSON.stringify(fd))
  const server = createServer((socket) => socket.end('hello')).listen({ fd: fd as number })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  for (const host of ['127.0.0.1', '::1']) {
    let text = ''
    for await (const chunk of connect(port, host)) text += chunk
    assert.equal(text, 'hello')
  }
  assert.equal(setSocketOption(fdOf(server), 'SO_MARK', 7), '')
  assert.deepEqual(bindTransparentSocket('::', port), { call: 'bind', errno: 'EADDRINUSE' })
  server.close()
})

/** Run an expression over the compiled modules in a fresh process: what is loaded lazily must be seen unloaded. */
function inFreshProcess(before: string, code: string): string {
  const libcUrl = new URL('../../src/native/libc.js', import.meta.url)
  const socketsUrl = new URL('../../src/native/transparent-socket.js', import.meta.url)
  const infoUrl = new URL('../../src/native/tcp-info.js', import.meta.url)
  const originalUrl = new URL('../../src/native/original-destination.js', import.meta.url)
  const script = `${before}
    const { libc } = await import('${libcUrl}')
    const { bindTransparentSocket } = await import('${socketsUrl}')
    const { tcpInfo, TcpInfo } = await import('${infoUrl}')
    const { originalDestination } = await import('${originalUrl}')
    console.log(JSON.stringify(${code}))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  assert.equal(stderr, '')
  return stdout.trim()
}

const ALL = `[Object.keys(libc()), tcpInfo(1, new TcpInfo()), originalDestination(1, 4), bindTransparentSocket('::', 0).errno]`

test('on another system nothing is loaded, and every call says so', () => {
  const other = `Object.defineProperty(process, 'platform', { value: 'darwin' })`
  assert.equal(inFreshProcess(other, ALL), '[["missing"],false,"ENOSYS","ENOSYS"]')
})

test('with koffi not there every call says so', () => {
  const broken = `import Module from 'node:module'
    const load = Module._load
    Module._load = (name, ...rest) => { if (name === 'koffi') throw new Error('no such library'); return load(name, ...rest) }`
  assert.equal(inFreshProcess(broken, ALL), '[["missing"],false,"ENOSYS","ENOSYS"]')
  assert.match(inFreshProcess(broken, 'libc()'), /koffi cannot be loaded: no such library/)
})

test('without the capability a transparent socket is refused with the option and EPERM', {
  skip: skip || (!root && 'needs root'),
}, () => {
  const drop = `process.setgroups([]); process.setgid(1337); process.setuid(1337)`
  const said = inFreshProcess(
    '',
    `(bindTransparentSocket('::', 0), (() => { libc(); ${drop}; return bindTransparentSocket('::', 0) })())`,
  )
  assert.equal(said, '{"call":"setsockopt IPV6_TRANSPARENT","errno":"EPERM"}')
})
