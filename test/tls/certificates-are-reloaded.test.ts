/** New certificates are taken over while traffic goes on: no connection is lost, and a bad one changes nothing. */
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { startInstance } from '../process/instance.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually } from '../support/proxy.ts'
import { Ca, days, type Files, folder, write } from './certificates.ts'
import { dialTls, type Terminating, terminating } from './terminating.ts'

const serialAt = async (port: number, servername = 'localhost'): Promise<string> => {
  const socket = await dialTls({ port, servername, rejectUnauthorized: false })
  const { serialNumber } = socket.getPeerX509Certificate()!
  socket.destroy()
  return serialNumber
}

/** Waits until new connections get another certificate than `before`. */
async function renewed(port: number, before: string, servername?: string): Promise<string> {
  const until = performance.now() + 8000
  for (;;) {
    const serial = await serialAt(port, servername)
    if (serial !== before) return serial
    assert.ok(performance.now() < until, 'no other certificate in time')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function started(t: TestContext): Promise<{ ca: Ca; files: Files; to: Terminating }> {
  const ca = await Ca.make(t)
  const files = await ca.issue('server')
  return { ca, files, to: await terminating(t, { settings: { 'tls.cert': files.cert, 'tls.key': files.key } }) }
}

test('under traffic: connections that stand go on, new ones get the new certificate, no request fails', async (t) => {
  const { ca, to } = await started(t)
  const before = await serialAt(to.port)
  const peers = await Promise.all(Array.from({ length: 8 }, () => to.dial({ rejectUnauthorized: false })))
  let stop = false
  let asked = 0
  const fresh = (async () => {
    while (!stop) {
      const peer = await to.dial({ rejectUnauthorized: false })
      assert.equal((await peer.get()).status, 200)
      peer.tls.destroy()
      asked++
    }
  })()
  const kept = peers.map(async (peer) => {
    while (!stop) {
      assert.equal((await peer.get()).status, 200)
      asked++
    }
  })
  for (let round = 0, last = before; round < 3; round++) {
    const from = asked
    await ca.issue('server')
    last = await renewed(to.port, last)
    assert.ok(asked > from)
  }
  stop = true
  await Promise.all([fresh, ...kept])
  assert.equal(await to.metric('hopscope_tls_reloads_total{outcome="ok"}'), 3)
})

test('a broken certificate, a key that does not fit, and no file: the one before serves on, and it is told', async (t) => {
  const { ca, files, to } = await started(t)
  const before = await serialAt(to.port)
  let failed = 0
  const told = async (): Promise<void> => {
    failed++
    const until = performance.now() + 8000
    while ((await to.metric('hopscope_tls_reloads_total{outcome="failed"}')) < failed) {
      assert.ok(performance.now() < until, `not told of fault ${failed}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.equal(await serialAt(to.port), before)
  }
  writeFileSync(files.cert, '-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n')
  await told()
  writeFileSync(files.cert, (await ca.mint(['localhost'])).cert)
  await told()
  unlinkSync(files.cert)
  await told()
  write(ca.folder, 'server', await ca.mint(['localhost']))
  await renewed(to.port, before)
})

test('as Kubernetes does it: a symlink to a folder is turned', async (t) => {
  const ca = await Ca.make(t)
  const path = folder(t)
  const put = async (version: string): Promise<void> => {
    mkdirSync(join(path, version))
    write(join(path, version), 'tls', await ca.mint(['localhost']))
    symlinkSync(version, join(path, '..data_tmp'))
    renameSync(join(path, '..data_tmp'), join(path, '..data'))
  }
  await put('..first')
  for (const file of ['tls.crt', 'tls.key']) symlinkSync(join('..data', file), join(path, file))
  const to = await terminating(t, { settings: { 'tls.certificates': path } })
  const before = await serialAt(to.port)
  await put('..second')
  rmSync(join(path, '..first'), { recursive: true })
  await renewed(to.port, before)
})

test('names come and go with their files', async (t) => {
  const ca = await Ca.make(t)
  const path = folder(t)
  write(path, 'default', await ca.mint(['default.example']))
  const to = await terminating(t, { settings: { 'tls.certificates': path } })
  const fallback = await serialAt(to.port, 'new.example')
  const added = write(path, 'new', await ca.mint(['new.example']))
  const own = await renewed(to.port, fallback, 'new.example')
  assert.equal(await serialAt(to.port, 'default.example'), fallback)
  unlinkSync(added.cert)
  unlinkSync(added.key)
  assert.equal(await renewed(to.port, own, 'new.example'), fallback)
})

test('what expires within two weeks is warned of, by name and date, and its date is a metric', async (t) => {
  const ca = await Ca.make(t)
  const path = folder(t)
  write(path, 'good', await ca.mint(['good.example'], { to: 20 }))
  write(path, 'soon', await ca.mint(['soon.example'], { to: 13 }))
  write(path, 'over', await ca.mint(['over.example'], { from: -9, to: -1 }))
  const origin = await Origin.answering(() => ok('x'))
  const instance = await startInstance(`http://127.0.0.1:${origin.port}`, ['--tls-certificates', path])
  t.after(async () => {
    await instance.stop('SIGKILL')
    await origin.close()
  })
  await eventually('warnings', () => instance.lines.filter((line) => line.includes('expire')).length === 2)
  const warnings = instance.lines
    .filter((line) => line.includes('expire'))
    .map((line) => JSON.parse(line) as { certificate: string; msg: string; level: string })
  assert.deepEqual(
    warnings.map(({ certificate, msg, level }) => [certificate, msg, level]),
    [
      ['over', 'a certificate has expired', 'warn'],
      ['soon', 'a certificate expires soon', 'warn'],
    ],
  )
  const metrics = await (await fetch(`http://127.0.0.1:${instance.metricsPort}/metrics`)).text()
  const expiry = /^hopscope_tls_certificate_expiry_timestamp_seconds\{certificate="soon"\} (\d+)/m.exec(metrics)
  assert.ok(Math.abs(Number(expiry?.[1]) - days(13).getTime() / 1000) < 120)
})
