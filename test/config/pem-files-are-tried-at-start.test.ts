import assert from 'node:assert/strict'
import test from 'node:test'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { accepted, refused, tempFile } from './support.ts'

test('a file that holds no PEM is a fault, named with why', async (t) => {
  const file = tempFile(t, 'no PEM at all', 'bad.pem')
  const { faults } = await refused({
    flags: { 'otlp.certificate': file, 'otlp.clientCertificate': file, 'otlp.clientKey': '/nowhere/key.pem' },
  })
  assert.deepEqual(
    faults.map(({ path, value }) => [path, value.replaceAll(JSON.stringify(file), 'FILE').replace(/ERR_\w+/, 'ERR')]),
    [
      ['otlp.certificate', 'FILE (ERR)'],
      ['otlp.clientCertificate', 'FILE (ERR)'],
      ['otlp.clientKey', '"/nowhere/key.pem" (ENOENT)'],
    ],
  )
})

test('a key of another certificate is a fault', { skip: noOpenssl }, async () => {
  const authority = new Authority()
  const [mine, other] = [authority.issue('mine'), authority.issue('other')]
  await accepted({ flags: { 'otlp.clientCertificate': mine.cert, 'otlp.clientKey': mine.key } })
  const { faults } = await refused({ flags: { 'otlp.clientCertificate': mine.cert, 'otlp.clientKey': other.key } })
  assert.deepEqual(
    faults.map(({ path, expected }) => [path, expected]),
    [['otlp.clientKey', 'the private key of otlp.clientCertificate']],
  )
})
