/** A service of all four kinds of calls by grpc-js, without a schema: messages are bytes. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import * as grpc from '@grpc/grpc-js'

const identity = (bytes: Buffer): Buffer => bytes
const method = (service: string, name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/${service}/${name}`,
  requestStream,
  responseStream,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
})

export const SERVICE = 'hopscope.test.Echo'
const definition = {
  Unary: method(SERVICE, 'Unary', false, false),
  Collect: method(SERVICE, 'Collect', true, false),
  Split: method(SERVICE, 'Split', false, true),
  Chat: method(SERVICE, 'Chat', true, true),
  /** Fails with the status whose number the request is. */
  Fail: method(SERVICE, 'Fail', false, false),
  /** Sends one message, then fails with that status. */
  FailLate: method(SERVICE, 'FailLate', false, true),
  /** Sends the request back five times. */
  Repeat: method(SERVICE, 'Repeat', false, true),
  /** Never answers; a message of `begin` is echoed first. */
  Hang: method(SERVICE, 'Hang', false, true),
}
/** grpc.health.v1.Health/Check of any service: SERVING. */
const health = { Check: method('grpc.health.v1.Health', 'Check', false, false) }
export const SERVING = Buffer.from([0x08, 0x01])

type Unary = grpc.ServerUnaryCall<Buffer, Buffer>
type Done = grpc.sendUnaryData<Buffer>

/** A running server, and what it saw. */
export interface EchoServer {
  readonly port: number
  /** Calls that were cancelled by the client, by path. */
  readonly cancelled: string[]
  /** Metadata of each call, by arrival. */
  readonly metadata: grpc.Metadata[]
  readonly server: grpc.Server
}

export async function startEcho(t: TestContext, options: grpc.ServerOptions = {}): Promise<EchoServer> {
  const cancelled: string[] = []
  const metadata: grpc.Metadata[] = []
  const server = new grpc.Server(options)
  const trailersOf = (call: { metadata: grpc.Metadata }): grpc.Metadata => {
    const trailers = new grpc.Metadata()
    trailers.set('x-echo-trailer', String(call.metadata.get('x-sent')[0] ?? 'none'))
    return trailers
  }
  server.addService(definition, {
    Unary: (call: Unary, done: Done) => {
      metadata.push(call.metadata)
      const initial = new grpc.Metadata()
      initial.set('x-echo-head', String(call.metadata.get('x-sent')[0] ?? 'none'))
      call.sendMetadata(initial)
      done(null, call.request, trailersOf(call))
    },
    Collect: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: Done) => {
      const parts: Buffer[] = []
      call.on('data', (part: Buffer) => parts.push(part))
      call.on('end', () => done(null, Buffer.concat(parts)))
      call.on('cancelled', () => cancelled.push('Collect'))
    },
    Split: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      for (const byte of call.request) call.write(Buffer.of(byte))
      call.end(trailersOf(call))
    },
    Chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (part: Buffer) => call.write(part))
      call.on('end', () => call.end(trailersOf(call)))
      call.on('cancelled', () => cancelled.push('Chat'))
    },
    Fail: (call: Unary, done: Done) => done({ code: call.request[0]!, details: 'as you wish: 100 % größer' }),
    FailLate: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      call.write(call.request)
      call.emit('error', { code: call.request[0]!, details: 'too late' })
    },
    Repeat: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      for (let i = 0; i < 5; i++) call.write(call.request)
      call.end(trailersOf(call))
    },
    Hang: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      metadata.push(call.metadata)
      if (call.request.toString() === 'begin') call.write(call.request)
      call.on('cancelled', () => cancelled.push('Hang'))
    },
  })
  server.addService(health, { Check: (_call: Unary, done: Done) => done(null, SERVING) })
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure()
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)))
  })
  t.after(() => server.forceShutdown())
  return { port, cancelled, metadata, server }
}

/** What a call of several messages came to. */
export interface Outcome {
  readonly messages: readonly Buffer[]
  readonly status: grpc.StatusObject
}

export class EchoClient {
  readonly client: grpc.Client

  constructor(t: TestContext, port: number, options: grpc.ClientOptions = {}) {
    this.client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), options)
    t.after(() => this.client.close())
  }

  /** A unary call by path; never rejects. */
  unary(path: string, message: Buffer, metadata = new grpc.Metadata(), options: grpc.CallOptions = {}) {
    return new Promise<{
      readonly head: grpc.Metadata
      readonly response?: Buffer
      readonly status: grpc.StatusObject
    }>((resolve) => {
      let head = new grpc.Metadata()
      let response: Buffer | undefined
      const call = this.client.makeUnaryRequest(path, identity, identity, message, metadata, options, (_error, got) => {
        response = got
      })
      call.on('metadata', (got) => {
        head = got
      })
      call.on('status', (status) => resolve({ head, status, ...(response && { response }) }))
    })
  }

  split(path: string, message: Buffer, options: grpc.CallOptions = {}): grpc.ClientReadableStream<Buffer> {
    return this.client.makeServerStreamRequest(path, identity, identity, message, new grpc.Metadata(), options)
  }

  chat(path: string, options: grpc.CallOptions = {}): grpc.ClientDuplexStream<Buffer, Buffer> {
    return this.client.makeBidiStreamRequest(path, identity, identity, new grpc.Metadata(), options)
  }

  /** Sends `parts` one after the other and gives the response. */
  collect(path: string, parts: readonly Buffer[]): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const call = this.client.makeClientStreamRequest(path, identity, identity, (error, response) =>
        error === null ? resolve(response!) : reject(error),
      )
      for (const part of parts) call.write(part)
      call.end()
    })
  }
}

/** All messages of a stream and its status; errors are statuses. */
export async function outcomeOf(call: grpc.ClientReadableStream<Buffer>): Promise<Outcome> {
  const messages: Buffer[] = []
  call.on('data', (message: Buffer) => messages.push(message))
  call.on('error', () => {})
  const status = await new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve))
  return { messages, status }
}

/** `/hopscope.test.Echo/NAME`. */
export const pathOf = (name: keyof typeof definition): string => definition[name].path

export function assertStatus(status: grpc.StatusObject, name: keyof typeof grpc.status, details?: RegExp): void {
  assert.equal(grpc.status[status.code], name, status.details)
  if (details !== undefined) assert.match(status.details, details)
}
