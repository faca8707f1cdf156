/** Content types, deadlines, statuses and messages of gRPC, by its documents. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR_CODES, type ErrorCode, ProxyError } from '../../src/core/errors.ts'
import * as grpc from '../../src/core/grpc.ts'
import { grpcStatusOfCode, grpcStatusOfError } from '../../src/core/grpc-errors.ts'

test('a call is known by its content type', () => {
  const kinds: [string | undefined, number][] = [
    [undefined, grpc.RPC_NONE],
    ['', grpc.RPC_NONE],
    ['application/json', grpc.RPC_NONE],
    ['application/grpcx', grpc.RPC_NONE],
    ['application/grpc-status', grpc.RPC_NONE],
    ['application/grpc', grpc.RPC_GRPC],
    ['application/grpc+proto', grpc.RPC_GRPC],
    ['application/grpc; charset=utf-8', grpc.RPC_GRPC],
    ['Application/GRPC+json', grpc.RPC_GRPC],
    ['application/grpc-web', grpc.RPC_WEB],
    ['application/grpc-web+proto', grpc.RPC_WEB],
    ['application/grpc-web-text', grpc.RPC_WEB_TEXT],
    ['application/grpc-web-text+proto', grpc.RPC_WEB_TEXT],
  ]
  for (const [type, kind] of kinds) assert.equal(grpc.rpcKindOf(type), kind, String(type))
  assert.equal(grpc.rpcFormat('application/grpc-web-text+json; charset=utf-8'), 'json')
  assert.equal(grpc.rpcFormat('application/grpc-web'), 'proto')
})

test('deadlines have up to eight digits and a unit', () => {
  const timeouts: [string, number][] = [
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['30S', 30_000],
    ['100m', 100],
    ['99999999m', 99_999_999],
    ['2500u', 2.5],
    ['0m', 0],
    ['', -1],
    ['m', -1],
    ['10', -1],
    ['10s', -1],
    ['-1m', -1],
    ['1.5S', -1],
    ['123456789m', -1],
    ['1 S', -1],
  ]
  for (const [text, ms] of timeouts) assert.equal(grpc.parseGrpcTimeout(text), ms, text)
  assert.ok(Math.abs(grpc.parseGrpcTimeout('500000n') - 0.5) < 1e-9)
})

test('statuses that have no name are UNKNOWN', () => {
  assert.deepEqual(
    [undefined, '0', '16', '17', '', 'x', '014', '1234'].map(grpc.parseGrpcStatus),
    [-1, 0, 16, 2, 2, 2, 14, 2],
  )
  assert.equal(grpc.grpcStatusName(14), 'UNAVAILABLE')
  assert.equal(grpc.grpcStatusName(99), 'UNKNOWN')
})

test('the server is to blame for some statuses, a client sees all but OK as failures', () => {
  const blamed = grpc.GRPC_STATUS_NAMES.filter((_, status) => grpc.isGrpcFailure(status, false))
  assert.deepEqual(blamed, ['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'])
  assert.equal(grpc.isGrpcFailure(grpc.grpcStatusNumber('NOT_FOUND'), true), true)
  assert.equal(grpc.isGrpcFailure(0, true), false)
})

test('messages are percent-encoded UTF-8', () => {
  assert.equal(grpc.encodeGrpcMessage('50 % größer\n'), '50 %25 gr%C3%B6%C3%9Fer%0A')
})

test('every failure of ours has a status that says what a client may do', () => {
  const expected: Partial<Record<ErrorCode, string>> = {
    connection_refused: 'UNAVAILABLE',
    dns_failed: 'UNAVAILABLE',
    connect_timeout: 'UNAVAILABLE',
    tls_unknown_ca: 'UNAVAILABLE',
    upstream_reset: 'UNAVAILABLE',
    upstream_aborted: 'UNAVAILABLE',
    stream_refused: 'UNAVAILABLE',
    overloaded: 'UNAVAILABLE',
    queue_timeout: 'UNAVAILABLE',
    first_byte_timeout: 'DEADLINE_EXCEEDED',
    deadline_exceeded: 'DEADLINE_EXCEEDED',
    head_too_large: 'RESOURCE_EXHAUSTED',
    client_closed: 'CANCELLED',
    bad_header: 'INTERNAL',
    stage_failed: 'INTERNAL',
    identity_refused: 'PERMISSION_DENIED',
    connect_refused: 'UNIMPLEMENTED',
  }
  for (const [code, name] of Object.entries(expected)) assert.equal(grpcStatusOfCode(code as ErrorCode), name, code)
  for (const code of Object.keys(ERROR_CODES)) assert.notEqual(grpcStatusOfCode(code as ErrorCode), 'OK', code)
})

test('a reset of the upstream becomes what its code means', () => {
  const status = (errno: string): string =>
    grpc.grpcStatusName(grpcStatusOfError(new ProxyError('stream_reset', 'wait', '', { errno })))
  assert.equal(status('CANCEL'), 'CANCELLED')
  assert.equal(status('REFUSED_STREAM'), 'UNAVAILABLE')
  assert.equal(status('ENHANCE_YOUR_CALM'), 'RESOURCE_EXHAUSTED')
  assert.equal(status('INTERNAL_ERROR'), 'INTERNAL')
})
