/** Load on the entry, and questions to the aggregator, from within the hub: `ENTRY RATE`; paths of the API on stdin, answers on stdout. */
import { Agent, get } from 'node:http'
import { createInterface } from 'node:readline'
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
  const asked = get(
    { host: entry, port: 80, path: route?.[0] ?? '/home', agent, headers: { host: 'web.mesh' } },
    (answer) => {
      answer.resume().on('error', () => {})
    },
  )
  asked.setTimeout(5000, () => asked.destroy())
  asked.on('error', () => {})
}

// A swing of a third, with a day of two minutes.
setInterval(() => {
  const swing = 1 + Math.sin(((performance.now() - begunMs) / DAY_MS) * 2 * Math.PI) / 3
  for (let n = random.poisson((Number(perSecond) * swing * STEP_MS) / 1000); n > 0; n--) call()
}, STEP_MS)

createInterface({ input: process.stdin }).on('line', (url) => {
  fetch(url)
    .then((response) => response.text())
    .then(
      (text) => process.stdout.write(`${JSON.stringify(text)}\n`),
      (error: Error) => process.stdout.write(`${JSON.stringify(`failed: ${error.message}`)}\n`),
    )
})
process.stdout.write('ready\n')
