/** Faults in settings of TLS are found before the start, named with path and expectation. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { accepted, refused } from '../config/support.ts'
import { Ca, folder, write } from './certificates.ts'

test('a certificate needs its key, a key its certificate', async (t) => {
  const ca = await Ca.make(t)
  const [one, two] = [await ca.issue('one'), await ca.issue('two')]
  await accepted({ flags: { 'tls.cert': one.cert, 'tls.key': one.key } })
  const faultsOf = async (flags: Record<string, string>): Promise<[string, string][]> =>
    (await refused({ flags })).faults.map(({ path, expected }) => [path, expected])
  assert.deepEqual(await faultsOf({ 'tls.cert': one.cert }), [
    ['tls.key', 'a PEM file, since tls.cert is set (--tls-cert)'],
  ])
  assert.deepEqual(await faultsOf({ 'upstream.tls.key': one.key }), [
    ['upstream.tls.cert', 'a PEM file, since upstream.tls.key is set (--upstream-tls-key)'],
  ])
  assert.deepEqual(await faultsOf({ 'tls.cert': one.cert, 'tls.key': two.key }), [
    ['tls.key', 'the private key of tls.cert'],
  ])
  assert.deepEqual(await faultsOf({ 'tls.cert': one.key, 'tls.key': one.cert }), [
    ['tls.cert', 'a readable PEM certificate'],
    ['tls.key', 'a readable PEM private key, not encrypted'],
  ])
  assert.deepEqual(await faultsOf({ 'upstream.tls.ca': '/nowhere.pem', 'upstream.tls.crl': one.cert }), [
    ['upstream.tls.ca', 'a readable PEM file of certificates'],
    ['upstream.tls.crl', 'a readable PEM file of revocation lists'],
  ])
})

test('a folder: every bad file is named', async (t) => {
  const ca = await Ca.make(t)
  const path = folder(t)
  const faultsOf = async (): Promise<[string, string][]> => {
    const { faults } = await refused({ flags: { 'tls.certificates': path } })
    return faults.map(({ value, expected }) => [/\(([^:)]+)/.exec(value)?.[1] ?? '', expected])
  }
  assert.deepEqual(await faultsOf(), [['none there', 'a folder with NAME.crt and NAME.key, or NAME.pem']])
  const good = write(path, 'good', await ca.mint(['good.example']))
  write(path, 'mixed', { cert: good.pem.cert, key: (await ca.mint(['x'])).key })
  write(path, 'broken', { cert: 'nothing', key: good.pem.key })
  writeFileSync(join(path, 'lonely.key'), good.pem.key)
  writeFileSync(join(path, 'ca.crt'), ca.files.pem.cert)
  writeFileSync(join(path, 'README.txt'), 'not ours')
  assert.deepEqual(await faultsOf(), [
    ['lonely.key', 'certificate and key side by side, of one name'],
    ['broken', 'readable PEM certificates'],
    ['mixed', 'keys of their certificates'],
  ])
})

test('both in one file will do', async (t) => {
  const ca = await Ca.make(t)
  const path = folder(t)
  const pem = await ca.mint(['one.example'])
  writeFileSync(join(path, 'one.pem'), pem.key + pem.cert)
  await accepted({ flags: { 'tls.certificates': path } })
})

test('client certificates need an authority, an own certificate, and to be asked for', async (t) => {
  const ca = await Ca.make(t)
  const { cert, key } = await ca.issue('one')
  const own = { 'tls.cert': cert, 'tls.key': key }
  const pathsOf = async (flags: Record<string, string>): Promise<string[]> =>
    (await refused({ flags })).faults.map(({ path }) => path)
  assert.deepEqual(await pathsOf({ ...own, 'tls.clientAuth': 'require' }), ['tls.clientCa'])
  assert.deepEqual(await pathsOf({ 'tls.clientAuth': 'request', 'tls.clientCa': ca.cert }), ['tls.clientAuth'])
  assert.deepEqual(await pathsOf({ ...own, 'tls.allowedIdentities': 'a' }), ['tls.allowedIdentities'])
  assert.deepEqual(await pathsOf({ ...own, 'tls.clientAuth': 'maybe' }), ['tls.clientAuth'])
  const all = { ...own, 'tls.clientAuth': 'require', 'tls.clientCa': ca.cert, 'tls.allowedIdentities': 'a' }
  await accepted({ flags: all })
})

test('rules of names and ports', async () => {
  for (const rule of ['*', 'name.example', '*.domain.example', 'name:443', '*:443', ':8443', '*.d.example:1']) {
    await accepted({ flags: { 'tls.terminate': rule } })
  }
  for (const rule of ['', ':', 'na me', '*name', 'a.*', 'name:', 'name:port', 'https://name']) {
    if (rule === '') continue
    const { faults } = await refused({ flags: { 'tls.terminate': rule } })
    assert.deepEqual(
      faults.map(({ path }) => path),
      ['tls.terminate'],
      rule,
    )
  }
})

test('no verification of upstreams is accepted, with a warning', async () => {
  const { warnings } = await accepted({ flags: { 'upstream.tls.verify': 'false' } })
  assert.ok(warnings.some((warning) => warning.startsWith('upstream.tls.verify is false')))
})
