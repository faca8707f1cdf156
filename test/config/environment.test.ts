import assert from 'node:assert/strict'
import test from 'node:test'
import { accepted, refused } from './support.ts'

test('variables are read as numbers, booleans, lists and maps', async () => {
  const { config } = await accepted({
    env: {
      HOPSCOPE_TIMEOUTS_CONNECT_MS: '250',
      HOPSCOPE_SAMPLE: '0.25',
      HOPSCOPE_INTERCEPT_IPV6: 'false',
      HOPSCOPE_INTERCEPT_PORTS: '80, 443,8080',
      HOPSCOPE_OTLP_HEADERS: 'authorization=Bearer%20abc,x-tenant=a=b',
      HOPSCOPE_ADMIN: 'off',
      HOPSCOPE_METRICS: '[::1]:9100',
    },
  })
  assert.equal(config.timeouts.connectMs, 250)
  assert.equal(config.sample, 0.25)
  assert.equal(config.intercept.ipv6, false)
  assert.deepEqual(config.intercept.ports, [80, 443, 8080])
  assert.deepEqual(config.otlp.headers, { authorization: 'Bearer abc', 'x-tenant': 'a=b' })
  assert.equal(config.admin, 'off')
  assert.deepEqual(config.metrics, { host: '::1', port: 9100 })
})

test('an empty variable is an unset one', async () => {
  const { config } = await accepted({ env: { HOPSCOPE_SAMPLE: '', HOPSCOPE_NO_SUCH: '' } })
  assert.equal(config.sample, 1)
})

test('an unknown HOPSCOPE_ variable is refused with a suggestion', async () => {
  const { faults } = await refused({ env: { HOPSCOPE_TIMEOUT_CONNECT_MS: '1' } })
  assert.equal(faults[0]!.origin, 'HOPSCOPE_TIMEOUT_CONNECT_MS')
  assert.match(faults[0]!.expected, /did you mean HOPSCOPE_TIMEOUTS_CONNECT_MS/)
})

test('variables that Kubernetes makes for Services named hopscope… are passed over', async () => {
  const { config } = await accepted({
    env: {
      HOPSCOPE_PORT: 'tcp://10.0.0.1:80',
      HOPSCOPE_SERVICE_HOST: '10.0.0.1',
      HOPSCOPE_SERVICE_PORT: '80',
      HOPSCOPE_PORT_80_TCP_ADDR: '10.0.0.1',
      HOPSCOPE_AGGREGATOR_SERVICE_PORT_OTLP_GRPC: '4317',
      HOPSCOPE_AGGREGATOR_PORT_4317_TCP: 'tcp://10.0.0.1:4317',
      HOPSCOPE_CONFIG: 'read by the command line',
    },
  })
  assert.equal(config.port, 15001)
  assert.equal((await accepted({ env: { HOPSCOPE_PORT: '1234' } })).config.port, 1234)
})
