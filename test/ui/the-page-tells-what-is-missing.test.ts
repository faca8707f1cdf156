import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fleet } from '../aggregator/fleet.ts'
import { requestOf, send } from '../aggregator/otlp-messages.ts'
import { rawSpan } from '../aggregator/raw-spans.ts'
import { skip, startUi } from './browser.ts'

test('with an aggregator of the fleet away, the page shows what the others have, and says so', {
  skip,
  timeout: 100_000,
}, async (t) => {
  const [one, two] = await fleet(2)
  t.after(() => one!.end())
  for (const [i, { grpcPort }] of [one!, two!].entries()) {
    await send(grpcPort, requestOf([rawSpan({ trace: `a${i}`, span: '1', name: `GET /of/${i}` })]))
  }
  const ui = await startUi(t)
  const page = await ui.open('/live')
  await page.goto(`http://127.0.0.1:${one!.uiPort}/search`)
  await page.locator('#view', { hasText: '/of/1' }).waitFor()
  assert.equal(await page.locator('#top [role=status]').textContent(), '')
  const name = `127.0.0.1:${two!.aggregator.addresses.replicas!.port}`
  await two!.end()
  await page.reload()
  await page.locator('#top', { hasText: `incomplete: no answer from ${name}` }).waitFor()
  await page.locator('#view', { hasText: '/of/0' }).waitFor()
})
