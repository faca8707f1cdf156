/** Calls the echo server at HOST:PORT and prints what came as JSON: a unary answer, streamed pieces, a status. */
import * as grpc from '@grpc/grpc-js'
import { echoDefinition } from './grpc-definition.ts'

const Client = grpc.makeGenericClientConstructor(echoDefinition, 'Echo')
const client = new Client(process.argv[2]!, grpc.credentials.createInsecure())
const { Unary, Split, Fail } = echoDefinition
const deadline = Date.now() + 5000

const unary = await new Promise<string>((resolve, reject) => {
  client.makeUnaryRequest(
    Unary.path,
    Unary.requestSerialize,
    Unary.responseDeserialize,
    Buffer.from('hello'),
    new grpc.Metadata(),
    { deadline },
    (error, answer) => (error === null ? resolve(String(answer)) : reject(error)),
  )
})
const pieces: string[] = []
const stream = client.makeServerStreamRequest(
  Split.path,
  Split.requestSerialize,
  Split.responseDeserialize,
  Buffer.from('abc'),
  new grpc.Metadata(),
  { deadline },
)
for await (const piece of stream) pieces.push(String(piece))
const status = await new Promise<number>((resolve) => {
  client.makeUnaryRequest(
    Fail.path,
    Fail.requestSerialize,
    Fail.responseDeserialize,
    Buffer.from('x'),
    new grpc.Metadata(),
    { deadline },
    (error) => resolve(error?.code ?? 0),
  )
})
client.close()
console.log(JSON.stringify({ unary, pieces, status }))
