/**
 * A collector of its own process: takes OTLP/gRPC trace exports, acknowledges each and counts its spans; with `hang` it
 * accepts calls and never answers. Arguments: gRPC port, status port (HTTP, one JSON object), acknowledge|hang.
 */
import { createServer } from 'node:http'
import { Server, ServerCredentials, type ServiceDefinition, type UntypedHandleCall } from '@grpc/grpc-js'
import { eachSpan } from './count-spans.ts'
import { DistinctIds } from './distinct-ids.ts'
import type { CollectorStatus } from './status.ts'

const [grpcPort, statusPort, mode] = process.argv.slice(2)

const status: CollectorStatus = {
  exports: 0,
  spans: 0,
  distinctSpans: 0,
  isDistinctFull: false,
  badExports: 0,
  bytes: 0,
}
const ids = new DistinctIds()

const service: ServiceDefinition = {
  export: {
    path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
    requestStream: false,
    responseStream: false,
    requestSerialize: (value: Buffer) => value,
    requestDeserialize: (bytes: Buffer) => bytes,
    // An empty ExportTraceServiceResponse: everything accepted.
    responseSerialize: () => Buffer.alloc(0),
    responseDeserialize: (bytes: Buffer) => bytes,
  },
}

function count(message: Buffer): void {
  status.exports++
  status.bytes += message.length
  try {
    eachSpan(message, (at) => {
      status.spans++
      if (at !== -1) ids.add(message, at)
    })
  } catch {
    status.badExports++
  }
  status.distinctSpans = ids.size
  status.isDistinctFull = ids.isFull
}

const handleExport = (call: { request: Buffer }, callback: (error: null, value: null) => void): void => {
  if (mode === 'hang') return
  count(call.request)
  callback(null, null)
}

const server = new Server({ 'grpc.max_receive_message_length': 16 * 1024 * 1024 })
server.addService(service, { export: handleExport as UntypedHandleCall })
server.bindAsync(`127.0.0.1:${grpcPort}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error
  createServer((_req, res) => {
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify(status))
  }).listen(Number(statusPort), '127.0.0.1')
})
