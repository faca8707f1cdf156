import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Message, Peer } from '../support/client.ts'
import { type DnsBehaviour, DnsServer } from '../support/dns-server.ts'
import { Origin, ok } from '../support/origin.ts'
import { delayIn } from '../support/phases.ts'
import { type Finished, problem, TestProxy } from '../support/proxy.ts'

interface Bench {
  readonly dns: DnsServer
  readonly proxy: TestProxy
  /** One request on a connection of its own, for which the upstream's name is needed. */
  call(): Promise<Message>
}

/** A proxy before a name that our own DNS server knows. */
async function bench(t: TestContext, behaviour: Partial<DnsBehaviour>, flags = {}): Promise<Bench> {
  const origin = await Origin.answering(() => ok('x'))
  const dns = await DnsServer.start()
  dns.behaviour = { ...dns.behaviour, ...behaviour }
  const proxy = await TestProxy.start(`http://shop.example:${origin.port}`, {
    // Each client dials, and so asks for the name.
    flags: { 'upstream.dnsServers': dns.address, 'upstream.reuse': 'client', ...flags },
  })
  t.after(async () => {
    await proxy.close()
    await origin.close()
    dns.close()
  })
  return {
    dns,
    proxy,
    async call() {
      const client = await Peer.connect(proxy.port)
      client.send('GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n')
      const answer = await client.message()
      client.socket.destroy()
      return answer
    },
  }
}

test('a slow answer is in the dns phase, and nowhere else', async (t) => {
  const { proxy, call } = await bench(t, { delayMs: 250 })
  assert.equal((await call()).status, 200)
  delayIn((await proxy.finished(1))[0]!, 'dns', 250)
  assert.equal((await call()).status, 200)
  assert.equal((await proxy.finished(2))[1]!.phases.dns, undefined, 'the second found the address at hand')
})

test('no answer in time: 504 dns_timeout', async (t) => {
  const { proxy, call } = await bench(t, { answer: 'silent' }, { 'timeouts.dnsMs': '300' })
  const began = performance.now()
  const response = await call()
  const tookMs = performance.now() - began
  assert.equal(response.status, 504)
  assert.deepEqual([problem(response.body).code, problem(response.body).phase], ['dns_timeout', 'dns'])
  assert.ok(tookMs >= 295 && tookMs < 500, `${tookMs} ms`)
  delayIn((await proxy.finished(1))[0]!, 'dns', 300)
})

test('a name that does not exist: 502 dns_failed', async (t) => {
  const { call } = await bench(t, { answer: 'unknown' })
  const response = await call()
  assert.equal(response.status, 502)
  const { code, phase, errno } = problem(response.body)
  assert.deepEqual([code, phase, errno], ['dns_failed', 'dns', 'ENOTFOUND'])
})

test('clients that come together ask once', async (t) => {
  const { dns, call } = await bench(t, { delayMs: 100 })
  await Promise.all(Array.from({ length: 5 }, call))
  assert.equal(dns.asked.length, 1)
})

test('an answer serves for its time to live, and no longer', async (t) => {
  const { dns, call } = await bench(t, { ttlS: 1 })
  const until = performance.now() + 3000
  while (dns.asked.length < 3 && performance.now() < until) {
    assert.equal((await call()).status, 200)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const [first = 0, second = 0, third = 0] = dns.asked
  for (const gapMs of [second - first, third - second]) assert.ok(gapMs >= 990 && gapMs < 1400, `${gapMs} ms`)
})

test('a long time to live is honoured too', async (t) => {
  const { dns, call } = await bench(t, { ttlS: 60 })
  await call()
  // Longer than the least time that an answer is kept.
  await new Promise((resolve) => setTimeout(resolve, 1200))
  await call()
  assert.equal(dns.asked.length, 1)
})

/** Calls until one comes out as wanted; its exchange. */
async function callsUntil({ proxy, call }: Bench, wanted: (seen: Finished) => boolean): Promise<Finished> {
  const until = performance.now() + 4000
  for (;;) {
    await call()
    const last = (await proxy.finished(1)).at(-1)!
    if (wanted(last)) return last
    assert.ok(performance.now() < until, 'no such exchange in time')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('an address that was taken from the name is not used when its time is over', async (t) => {
  const all = await bench(t, { ttlS: 1 })
  await all.call()
  all.dns.behaviour = { ...all.dns.behaviour, answer: 'unknown' }
  const failed = await callsUntil(all, ({ status }) => status !== 200)
  assert.deepEqual([failed.status, failed.error?.code], [502, 'dns_failed'])
})

test('while no server answers, the last answer serves: after a moment, then at once', async (t) => {
  const all = await bench(t, { ttlS: 1 })
  await all.call()
  all.dns.behaviour = { ...all.dns.behaviour, answer: 'silent' }
  const waited = await callsUntil(all, ({ phases }) => phases.dns !== undefined)
  assert.equal(waited.status, 200)
  delayIn(waited, 'dns', 500)
  const count = all.proxy.exchanges.length
  assert.equal((await all.call()).status, 200)
  assert.equal((await all.proxy.finished(count + 1)).at(-1)!.phases.dns, undefined)
})
