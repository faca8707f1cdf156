import assert from 'node:assert/strict'
import { test } from 'node:test'
import { running } from '../aggregator/running.ts'

test('files have their types, tags and a policy that takes nothing from elsewhere; a view is a path', async () => {
  const aggregator = await running()
  const get = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${aggregator.uiPort}${path}`, init)
  try {
    const page = await get('/')
    const html = await page.text()
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
    const policy = page.headers.get('content-security-policy') ?? ''
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "trusted-types 'none'"]) {
      assert.ok(policy.split('; ').includes(part), `${part} in ${policy}`)
    }
    assert.doesNotMatch(policy, /unsafe|\*|https?:/)
    assert.doesNotMatch(html, /https?:\/\/|<style|style=|onload=/)

    const loaded = [...html.matchAll(/(?:src|href)="(\/ui\/[^"]+)"/g)].map(([, path]) => path!)
    assert.ok(loaded.length > 15, 'modules are preloaded')
    for (const path of loaded) {
      const file = await get(path)
      const type = path.endsWith('.css') ? 'text/css' : path.endsWith('.svg') ? 'image/svg+xml' : 'text/javascript'
      assert.equal(file.headers.get('content-type')?.split(';')[0], type, path)
      assert.equal(file.headers.get('x-content-type-options'), 'nosniff')
      const again = await get(path, { headers: { 'if-none-match': file.headers.get('etag') ?? '' } })
      assert.equal(again.status, 304, path)
      await file.arrayBuffer()
    }
    for (const path of ['/search?service=x', '/trace/abc', '/map', '/latency', '/idempotency', '/clocks', '/live']) {
      assert.equal(await (await get(path)).text(), html, path)
    }
    assert.equal((await get('/', { method: 'HEAD' })).headers.get('content-length'), String(Buffer.byteLength(html)))
    for (const path of ['/ui/../page.js', '/ui/nothing.js', '/package.json', '/ui/']) {
      assert.equal((await get(path)).status, 404, path)
    }
  } finally {
    await aggregator.end()
  }
})
