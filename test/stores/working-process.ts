/**
 * A process that works as a proxy does, until it is killed: `working-process.js URL LOG IDS`. It takes ids in random order,
 * and runs those that it may, which is one line in the log. What it was told of is a line too.
 *
 *     ran ID            between dispatch and complete
 *     done ID OWNER     the outcome was told as stored
 */
import { appendFileSync } from 'node:fs'
import { silentLogger } from '../../src/core/log.ts'
import type { Claim } from '../../src/exchange/idempotency-store.ts'
import { openStore } from '../../src/stores/open.ts'
import { claimRequest, response } from './requests.ts'

const [url, log, ids] = process.argv.slice(2) as [string, string, string]
const LEASE_MS = 400
const AT_ONCE = 8

const store = await openStore(url, { log: silentLogger, breaker: { firstProbeMs: 20, lastProbeMs: 200 } })
process.send?.('ready')
await Promise.all(Array.from({ length: AT_ONCE }, work))

async function work(): Promise<never> {
  for (;;) {
    try {
      await runOne(`id-${Math.floor(Math.random() * Number(ids))}`)
    } catch {
      await pause() // the store could not be asked: nothing was run
    }
  }
}

async function runOne(id: string): Promise<void> {
  const result = await store.claim(claimRequest(id, { leaseMs: LEASE_MS }))
  if (result.kind === 'exists') {
    await pause()
    return
  }
  const { claim } = result
  if (Math.random() < 0.1) {
    await store.release(claim)
    return
  }
  if (!(await store.dispatch(claim, '', LEASE_MS))) return
  appendFileSync(log, `ran ${id}\n`)
  await pause()
  await finish(claim)
}

async function finish(claim: Claim): Promise<void> {
  const body = Buffer.from(claim.owner.repeat(1 + Math.floor(Math.random() * 200)))
  const complete = (): unknown => store.complete(claim, 'fp-1', response({ body, bodyBytes: body.length }))
  for (let tries = 0; tries < 20; tries++) {
    try {
      if (await complete()) appendFileSync(log, `done ${claim.id} ${claim.owner}\n`)
      return
    } catch {
      await pause()
    }
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * 10))
}
