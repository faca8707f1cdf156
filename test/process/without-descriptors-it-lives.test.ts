/** EMFILE: more connections than descriptors. What can be served is, what cannot is not, and afterwards all is well. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually } from '../support/proxy.ts'

/** Enough to load all modules, which two threads open many at once. */
const DESCRIPTORS = 320
const CONNECTIONS = 800

async function limited(upstream: string, port: number): Promise<{ child: ChildProcess; lines: string[] }> {
  const cli = ['build/cli/main.js', 'proxy', '--listen', `127.0.0.1:${port}`, '--upstream', upstream]
  const args = [...cli, '--admin', 'off', '--metrics', 'off', '--access-log', 'off']
  const script = `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`
  const child = spawn('sh', ['-c', script, process.execPath, ...args], { stdio: ['ignore', 'inherit', 'pipe'] })
  const lines: string[] = []
  createInterface({ input: child.stderr! }).on('line', (line) => lines.push(line))
  await eventually('start', () => lines.some((line) => line.includes('"msg":"listening"')))
  return { child, lines }
}

async function status(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = get({ port, host: '127.0.0.1', agent: false, timeout: 8000 }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    call.on('timeout', () => call.destroy(new Error('timeout')))
    call.on('error', reject)
  })
}

test(`${CONNECTIONS} connections with ${DESCRIPTORS} descriptors: the proxy lives and serves when they are gone`, {
  skip: process.platform === 'win32',
}, async (t) => {
  const origin = await Origin.answering(() => ok('x'))
  t.after(() => origin.close())
  const port = await freePort()
  const { child, lines } = await limited(`http://127.0.0.1:${origin.port}`, port)
  const sockets: Socket[] = []
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  assert.equal(await status(port), 200)

  const answers = new Map<Socket, string>()
  for (let i = 0; i < CONNECTIONS; i++) {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n'))
    socket.on('data', (bytes) => answers.set(socket, `${answers.get(socket) ?? ''}${bytes}`)).on('error', () => {})
    sockets.push(socket)
  }
  // Each is served, told the cause, or closed: none is left waiting.
  await eventually('end of all', () => sockets.every((socket) => socket.closed || answers.has(socket)))
  const failed = [...answers.values()].filter((answer) => !answer.startsWith('HTTP/1.1 200'))
  assert.ok(answers.size < CONNECTIONS, 'there were descriptors for all: the test tested nothing')
  for (const answer of failed) assert.match(answer, /^HTTP\/1\.1 50[23] [\s\S]*"errno":"EMFILE"/)
  for (const socket of sockets) socket.destroy()
  assert.equal(child.exitCode, null, lines.join('\n'))
  // It has yet to notice that its clients have left.
  await eventually('descriptors again', async () => (await status(port).catch(() => 0)) === 200)
  for (let i = 0; i < 20; i++) assert.equal(await status(port), 200)
  assert.deepEqual(
    lines.filter((line) => /fault of ours|"level":"error"/.test(line)),
    [],
  )
})
