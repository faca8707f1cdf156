import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestOf, send } from '../aggregator/otlp-messages.ts'
import { ORIGIN_MS, rawSpan } from '../aggregator/raw-spans.ts'
import { skip, startUi } from './browser.ts'
import { HOSTILE, HOSTILE_TRACE, hostile, sendSpans } from './demo-spans.ts'

test('markup in every name of a span is shown as it is, in every view, and runs nowhere', {
  skip,
  timeout: 100_000,
}, async (t) => {
  const ui = await startUi(t)
  await sendSpans(ui.aggregator.grpcPort, hostile())
  await ui.aggregator.stored()
  const page = await ui.open('/live')
  const views = [
    '/live',
    '/search',
    '/search?show=spans',
    `/search?${new URLSearchParams({ service: HOSTILE, error: HOSTILE, attribute: `error.type=${HOSTILE}` })}`,
    `/trace/${HOSTILE_TRACE}?span=00000000000000a1`,
    '/map',
    `/latency?${new URLSearchParams({ service: HOSTILE })}`,
    '/idempotency',
  ]
  for (const path of views) {
    await page.goto(ui.origin + path)
    await page.locator('#view', { hasText: '<img src=x' }).waitFor()
    const found = await page.evaluate(
      '[window.pwned, document.querySelectorAll("img, body script, iframe, [onerror]").length]',
    )
    assert.deepEqual(found, [undefined, 0], path)
  }
  await page.goto(`${ui.origin}/search?lastMs=${encodeURIComponent(HOSTILE)}&to=${encodeURIComponent(HOSTILE)}`)
  await page.locator('.row').first().waitFor()
  assert.equal(await page.evaluate('window.pwned'), undefined)
  // A page of its own, since the browser reports what it refuses.
  const bare = await ui.browser.newPage()
  await bare.goto(ui.origin)
  const refused = await bare.evaluate(`try { document.body.innerHTML = '<b>x</b>'; 'taken' } catch (e) { e.name }`)
  assert.equal(refused, 'TypeError', 'the policy refuses markup')
})

test('a name without end leaves the rest in its place', { skip, timeout: 100_000 }, async (t) => {
  const ui = await startUi(t)
  const longest = 'x'.repeat(3000)
  const at = Date.now() - ORIGIN_MS - 1000
  await send(
    ui.aggregator.grpcPort,
    requestOf([{ ...rawSpan({ trace: 'a1', span: '1', startMs: at }), name: longest }], longest),
  )
  await ui.aggregator.stored()
  const page = await ui.open('/live')
  for (const path of [`/trace/${'a1'.padStart(32, '0')}`, '/map', '/latency', '/search']) {
    await page.goto(ui.origin + path)
    await page.locator('#view', { hasText: 'xxx' }).waitFor()
    const widest = await page.evaluate(
      `Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll('.svc-cell, .svc')].map((e) => e.getBoundingClientRect().width))`,
    )
    assert.ok((widest as number) <= 1440, `${path}: ${widest}`)
  }
})

test('characters that hide or turn round what is beside them are shown as escapes, in every view', {
  skip,
  timeout: 100_000,
}, async (t) => {
  const ui = await startUi(t)
  const name = 'pay\u202etxt.exe\u2066\u200bx\x1b[2J\u009b31m'
  const at = Date.now() - ORIGIN_MS - 1000
  const attributes = { 'http.route': `/${name}`, 'error.type': name, [name]: name, 'server.address': name }
  await send(
    ui.aggregator.grpcPort,
    requestOf([{ ...rawSpan({ trace: 'a2', span: '1', startMs: at, failed: true, attributes }), name }], name),
  )
  await ui.aggregator.stored()
  const page = await ui.open('/live')
  const trace = `/trace/${'a2'.padStart(32, '0')}?span=${'1'.padStart(16, '0')}`
  const latency = `/latency?${new URLSearchParams({ service: name, route: `/${name}` })}`
  for (const path of [trace, '/search', '/search?show=spans', '/map', latency]) {
    await page.goto(ui.origin + path)
    await page.locator('#view', { hasText: 'pay\\u202etxt.exe\\u2066\\u200bx\\u001b[2J\\u009b31m' }).first().waitFor()
    const left = await page.evaluate(
      `[document.title, document.body.innerText, ...[...document.querySelectorAll('[title], [aria-label]')].flatMap((e) => [e.title, e.ariaLabel])]
        .filter((text) => /(?![\\n\\t])[\\p{Cc}\\u200b\\u202a-\\u202e\\u2066-\\u2069]/u.test(text ?? ''))`,
    )
    assert.deepEqual(left, [], path)
    assert.equal(await page.evaluate(`getComputedStyle(document.querySelector('#view span')).unicodeBidi`), 'isolate')
  }
})
