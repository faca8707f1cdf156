// What prove.sh runs inside of the file system, as user 1337: each command of the image does its work.
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

const [kind] = process.argv.slice(2)
const MAIN = '/opt/hopscope/dist/cli/main.js'
const expect = (holds, text) => {
  if (!holds) throw new Error(text)
}
const status = readFileSync('/proc/self/status', 'utf8')
expect(/^Uid:\s+1337\s/m.test(status) && /^CapEff:\s+0+$/m.test(status) && /^NoNewPrivs:\s+1$/m.test(status), status)
for (const file of ['/written', '/opt/hopscope/written', '/tmp/written']) {
  let code = ''
  try {
    writeFileSync(file, '')
  } catch (error) {
    code = error.code
  }
  expect(code === 'EROFS', `${file}: ${code}`)
}
const { stdout } = spawnSync(process.execPath, [MAIN, '--version'], { encoding: 'utf8' })
expect(/^\d+\.\d+\.\d+/.test(stdout), 'no version')

/** Starts a command; resolves when `url` answers, with what `use` makes of it. */
async function serving(args, url, use) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'inherit', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  try {
    const until = Date.now() + 20_000
    for (;;) {
      const answer = await fetch(url).catch(() => undefined)
      if (answer !== undefined) {
        await use(answer)
        break
      }
      expect(Date.now() < until && child.exitCode === null, `${args[0]}: ${said}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  } finally {
    child.kill('SIGTERM')
  }
  const code = child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve)))
  expect(code === 0, `${args[0]} ended with ${code}: ${said}`)
  console.log(`${kind}: ${args[0]} works`)
}

const proxy = ['proxy', '--listen', '127.0.0.1:8080', '--upstream', 'http://127.0.0.1:9', '--metrics', 'off']
await serving(proxy, 'http://127.0.0.1:8080/', async (answer) => {
  expect(answer.status === 502, `status ${answer.status}`)
  expect((await answer.json()).code === 'connection_refused', 'another failure')
})
const sidecar = ['sidecar', '--kubelet-listen', '127.0.0.1:15021', '--metrics', 'off']
await serving(sidecar, 'http://127.0.0.1:15021/ready', async (answer) => {
  expect(answer.status === 200, `status ${answer.status}`)
  const drain = spawnSync(process.execPath, [MAIN, 'drain'], { encoding: 'utf8' })
  expect(drain.status === 0, drain.stderr)
})
if (kind === 'full') {
  await serving(['aggregator', '--data-dir', '/data/spans'], 'http://127.0.0.1:16686/api/services', (answer) => {
    expect(answer.status === 200, `status ${answer.status}`)
  })
}
