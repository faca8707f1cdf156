import assert from 'node:assert/strict'
import test from 'node:test'
import { faultReport } from '../../src/config/fault.ts'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { accepted, refused } from './support.ts'

test('samplers map to a ratio and to whether the parent decides', async () => {
  const cases: [string, string | undefined, number, boolean][] = [
    ['always_on', undefined, 1, false],
    ['always_off', undefined, 0, false],
    ['traceidratio', '0.25', 0.25, false],
    ['traceidratio', undefined, 1, false],
    ['parentbased_always_on', undefined, 1, true],
    ['parentbased_always_off', '0.5', 0, true],
    ['parentbased_traceidratio', '0.5', 0.5, true],
  ]
  for (const [sampler, arg, sample, parentBased] of cases) {
    const { config } = await accepted({ env: { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: arg } })
    assert.deepEqual([config.sample, config.trace.parentBased], [sample, parentBased], sampler)
  }
})

test('what names one of few may be in any case', async () => {
  const { config, warnings } = await accepted({
    env: {
      OTEL_TRACES_SAMPLER: 'ParentBased_TraceIdRatio',
      OTEL_TRACES_SAMPLER_ARG: '0.5',
      OTEL_TRACES_EXPORTER: 'Console, None',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'GZIP',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'GRPC',
      OTEL_PROPAGATORS: 'TraceContext,Baggage',
    },
  })
  assert.deepEqual(warnings, [])
  const { otlp, trace, sample } = config
  assert.deepEqual([sample, trace.parentBased, otlp.enabled, otlp.compression], [0.5, true, false, 'gzip'])
  assert.equal(trace.b3, 'off')
})

test('values that cannot be used are warned of and ignored, never a fault', async () => {
  const { config, warnings } = await accepted({
    env: {
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: 'half',
      OTEL_EXPORTER_OTLP_TIMEOUT: 'ten',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:hidden@collector:4317',
      OTEL_EXPORTER_OTLP_HEADERS: 'hidden',
      OTEL_BSP_SCHEDULE_DELAY: '-1',
      OTEL_BSP_MAX_QUEUE_SIZE: '10',
      OTEL_LOG_LEVEL: 'loud',
      OTEL_RESOURCE_ATTRIBUTES: 'nonsense',
      OTEL_TRACES_EXPORTER: 'zipkin',
      OTEL_PROPAGATORS: 'tracecontext,b3,jaeger',
    },
  })
  assert.equal(config.sample, 1)
  assert.equal(config.otlp.timeoutMs, 10_000)
  assert.equal(config.otlp.endpoint, undefined)
  assert.equal(config.trace.b3, 'auto')
  assert.equal(warnings.length, 12, warnings.join('\n'))
  assert.doesNotMatch(warnings.join('\n'), /hidden/)
})

test('headers that gRPC does not take are ignored, or refused as a setting, and not quoted', async () => {
  for (const header of ['x-hidden-bin=a', 'tenant=hidden%C3%BC', 'authorization=hidden%0A', 'bad name=hidden']) {
    const { config, warnings } = await accepted({ env: { OTEL_EXPORTER_OTLP_HEADERS: header } })
    assert.deepEqual(config.otlp.headers, {}, header)
    assert.match(warnings.join('\n'), /^OTEL_EXPORTER_OTLP_HEADERS is ignored/)
    assert.doesNotMatch(warnings.join('\n'), /hidden/)
    const { faults } = await refused({ env: { HOPSCOPE_OTLP_HEADERS: header } })
    assert.deepEqual(
      faults.map(({ path }) => path),
      ['otlp.headers'],
    )
    assert.doesNotMatch(faultReport(faults), /=hidden|hidden%|hiddenü|hidden\n/)
  }
})

test('empty is unset, and a boolean is true only as "true"', async () => {
  const env = { OTEL_SERVICE_NAME: '', OTEL_EXPORTER_OTLP_TIMEOUT: ' ', OTEL_SDK_DISABLED: '1' }
  const { config, warnings } = await accepted({ env })
  assert.equal(config.service.name, 'unknown_service:hopscope')
  assert.equal(config.otlp.enabled, true)
  assert.deepEqual(warnings, [])
  assert.equal((await accepted({ env: { OTEL_SDK_DISABLED: 'TRUE' } })).config.otlp.enabled, false)
  assert.equal((await accepted({ env: { OTEL_TRACES_EXPORTER: 'none' } })).config.otlp.enabled, false)
})

test('exporter variables map, those for traces before the general ones', { skip: noOpenssl }, async () => {
  const { cert, key } = new Authority().issue('exporter')
  const { config } = await accepted({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'https://general:4317',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:4317/v1/traces',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer a%3Db',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'none',
      OTEL_EXPORTER_OTLP_TIMEOUT: '20000',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '3000',
      OTEL_EXPORTER_OTLP_CERTIFICATE: cert,
      OTEL_EXPORTER_OTLP_CLIENT_KEY: key,
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: cert,
      OTEL_BSP_SCHEDULE_DELAY: '200',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '64',
    },
  })
  const { endpoint, headers, compression, timeoutMs, certificate, clientKey, scheduleMs, batchSpans } = config.otlp
  assert.deepEqual([endpoint, compression, timeoutMs], ['http://traces:4317', 'none', 3000])
  assert.deepEqual(headers, { authorization: 'Bearer a=b' })
  assert.deepEqual([certificate, clientKey, scheduleMs, batchSpans], [cert, key, 200, 64])
})

test('an endpoint without a scheme is https, or http where INSECURE is true', async () => {
  const endpoint = async (insecure: string | undefined): Promise<string | undefined> => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317', OTEL_EXPORTER_OTLP_INSECURE: insecure }
    return (await accepted({ env })).config.otlp.endpoint
  }
  assert.equal(await endpoint(undefined), 'https://collector:4317')
  assert.equal(await endpoint('true'), 'http://collector:4317')
})

test('OTEL_SERVICE_NAME goes before service.name among the resource attributes', async () => {
  const attributes = 'service.name=a,deployment.environment.name=prod%20eu'
  const alone = (await accepted({ env: { OTEL_RESOURCE_ATTRIBUTES: attributes } })).config
  assert.equal(alone.service.name, 'a')
  assert.deepEqual(alone.resource.attributes, { 'deployment.environment.name': 'prod eu' })
  const both = await accepted({ env: { OTEL_RESOURCE_ATTRIBUTES: attributes, OTEL_SERVICE_NAME: 'b' } })
  assert.equal(both.config.service.name, 'b')
})

test('propagators choose B3, and the log level maps', async () => {
  const { config } = await accepted({ env: { OTEL_PROPAGATORS: 'tracecontext,baggage', OTEL_LOG_LEVEL: 'none' } })
  assert.deepEqual([config.trace.b3, config.log.level], ['off', 'silent'])
})

test('a HOPSCOPE_ value is a fault where the same OTEL_ value is a warning', async () => {
  const { faults } = await refused({ env: { HOPSCOPE_OTLP_TIMEOUT_MS: 'ten', OTEL_EXPORTER_OTLP_TIMEOUT: 'ten' } })
  assert.deepEqual(
    faults.map(({ origin }) => origin),
    ['HOPSCOPE_OTLP_TIMEOUT_MS'],
  )
})
