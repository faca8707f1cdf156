/** A gRPC echo server in clear text, unary and server streaming. Argument: port. */
import * as grpc from '@grpc/grpc-js'
import { echoDefinition } from './grpc-definition.ts'

const port = Number(process.argv[2])
const server = new grpc.Server()
server.addService(echoDefinition, {
  Unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => done(null, call.request),
  Split: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
    for (const byte of call.request) call.write(Buffer.of(byte))
    call.end()
  },
  Fail: (_call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
    done({ code: grpc.status.FAILED_PRECONDITION, details: 'not now' })
  },
})
server.bindAsync(`[::]:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error
  console.log('listening')
})
