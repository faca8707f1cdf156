import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Incident } from '../../src/aggregator/diagnosis/incidents.ts'
import { skip, startUi } from './browser.ts'
import { checkout, sendSpans } from './demo-spans.ts'

const id = (digits: string): string => digits.padStart(32, '0')
const HOSTILE = '<img src=x onerror="window.pwned=1">'

const INCIDENT: Incident = {
  ...{
    severity: 'fault',
    id: 'a1',
    state: 'closed',
    onsetMs: 1_790_000_000_000,
    openedMs: 1_790_000_006_000,
    closedMs: 1_790_000_066_000,
  },
  summary: 'payments: slow by itself',
  causes: [
    {
      ...{
        diagnosis: 'slow_service',
        domain: 'application',
        service: 'payments',
        from: '',
        route: '',
        weight: 0.9,
        z: 14,
      },
      text: 'payments: slow by itself',
      evidence: ['payments /charge: the middle is 92 ms by itself (usual 12 ms)', HOSTILE],
      check: 'CPU and its throttling',
      traceIds: [id('3')],
    },
  ],
  timeline: [{ atMs: 1_790_000_006_000, text: 'opened: payments: slow by itself' }],
}

const WARNING: Incident = {
  ...INCIDENT,
  ...{ id: 'w1', severity: 'warning', key: 'certificate shop 1', keepMs: 60_000 },
  summary: 'shop: certificate about to expire',
}

test('an incident with its cause, evidence and times, and one click to a trace, which has its diagnosis', {
  skip,
  timeout: 100_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  writeFileSync(join(folder, 'incidents.json'), JSON.stringify([INCIDENT, WARNING]))
  const ui = await startUi(t, folder)
  await sendSpans(ui.aggregator.grpcPort, checkout('3', 0, { failed: true }))
  await ui.aggregator.stored()
  const page = await ui.open('/live')
  await page.keyboard.press('g')
  await page.keyboard.press('n')
  await page.waitForURL(/incidents/)
  const card = page.locator('.incident:not(.warning)')
  await card.waitFor()
  const text = await card.innerText()
  for (const part of [
    'payments: slow by itself',
    '92 ms by itself (usual 12 ms)',
    'told after 6.00 s',
    'lasted 66.0 s',
    HOSTILE,
  ]) {
    assert.ok(text.includes(part), `${part} in ${text}`)
  }
  assert.equal(await page.locator('.incident.warning h2').innerText(), 'Warning: shop: certificate about to expire')
  assert.match(await page.locator('.statusline').innerText(), /still learning what is usual/)
  await card.locator('a').first().click()
  await page.waitForURL(new RegExp(`/trace/${id('3')}`))
  const diagnosis = page.locator('.diagnosis')
  await diagnosis.waitFor()
  assert.match(await diagnosis.innerText(), /failed/i)
  await diagnosis.locator('summary button').click()
  await page.waitForURL(/span=/)
  assert.equal(await page.evaluate('window.pwned'), undefined)
})
