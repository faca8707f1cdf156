import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { Ca } from '../tls/certificates.ts'
import { terminating } from '../tls/terminating.ts'
import { post } from './support.ts'

test('the principal is the identity of the client certificate, whatever else the request says', async (t) => {
  const [ca, clients] = [await Ca.make(t), await Ca.make(t, 'clients')]
  const { cert, key } = await ca.issue('server')
  const { dial } = await terminating(t, {
    origin: await Origin.answering((_request, nth) => ok(`made ${nth}`)),
    settings: {
      'tls.cert': cert,
      'tls.key': key,
      'tls.clientCa': clients.cert,
      'tls.clientAuth': 'request',
      'idempotency.store': 'memory',
      'idempotency.principal': 'mtls',
    },
  })
  const [web, renewed, other] = [
    await clients.issue('web', ['spiffe://mesh.example/web']),
    await clients.issue('renewed', ['spiffe://mesh.example/web']),
    await clients.issue('other', ['spiffe://mesh.example/other']),
  ]
  const ask = async (pair: typeof web | undefined, authorization: string) => {
    const client = await dial({
      ca: readFileSync(ca.cert),
      ...(pair && { cert: pair.pem.cert, key: pair.pem.key }),
    })
    client.send(post({ key: 'k', authorization }).replace('Host: here', 'Host: localhost'))
    return await client.message()
  }
  assert.equal((await ask(web, 'Bearer a')).body, 'made 0')
  const again = await ask(renewed, 'Bearer b')
  assert.equal(again.body, 'made 0')
  assert.equal(field(again, 'idempotent-replayed'), 'true')
  assert.equal((await ask(other, 'Bearer a')).body, 'made 1')
  assert.equal((await ask(undefined, 'Bearer a')).status, 400, 'without a certificate there is no principal')
})
