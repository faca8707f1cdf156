/**
 * Load on the entry, and whoever asks from within the hub: `ENTRY RATE`; lines on stdin are addresses to fetch, or `batch
 * ADDRESS HOST PATH`; a line of JSON on stdout answers each.
 */
import { Agent, get } from 'node:http'
import { createInterface } from 'node:readline'
import { BATCH } from './distractions.ts'
import { ENTRY_ROUTES } from './mesh.ts'
import { Random } from './random.ts'

const [entry = '', perSecond = '40'] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true })
const random = new Random(1)
const DAY_MS = 120_000
const STEP_MS = 50
const begunMs = performance.now()

function call(): void {
  let at = random.next()
  const route = ENTRY_ROUTES.find(([, share]) => {
    at -= share
    return at < 0
  })
  ask(entry, 'web.mesh', route?.[0] ?? '/home')
}

function ask(address: string, host: string, path: string): void {
  const asked = get({ host: address, port: 80, path, agent, headers: { host } }, (answer) => {
    answer.resume().on('error', () => {})
  })
  asked.setTimeout(5000, () => asked.destroy())
  asked.on('error', () => {})
}

// A swing of a third, with a day of two minutes.
setInterval(() => {
  const swing = 1 + Math.sin(((performance.now() - begunMs) / DAY_MS) * 2 * Math.PI) / 3
  for (let n = random.poisson((Number(perSecond) * swing * STEP_MS) / 1000); n > 0; n--) call()
}, STEP_MS)

/** A job that calls one service by itself for a while. */
function batch(address: string, host: string, path: string): void {
  const timer = setInterval(() => {
    for (let n = random.poisson((BATCH.perSecond * STEP_MS) / 1000); n > 0; n--) ask(address, host, path)
  }, STEP_MS)
  setTimeout(clearInterval, BATCH.seconds * 1000, timer)
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [what = '', address = '', host = '', path = ''] = line.split(' ')
  if (what === 'batch') {
    batch(address, host, path)
    process.stdout.write('"ok"\n')
    return
  }
  fetch(line)
    .then(async (response) => (response.ok ? response.text() : `failed: ${response.status} ${await response.text()}`))
    .then(
      (text) => process.stdout.write(`${JSON.stringify(text)}\n`),
      (error: Error) => process.stdout.write(`${JSON.stringify(`failed: ${error.message}`)}\n`),
    )
})
process.stdout.write('ready\n')
