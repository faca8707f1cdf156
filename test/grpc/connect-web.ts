/** A client of gRPC-Web by Connect's library, for the echo service; messages are google.protobuf.BytesValue. */
import { create, createFileRegistry, type DescMethodServerStreaming, type DescMethodUnary } from '@bufbuild/protobuf'
import {
  type BytesValue,
  BytesValueSchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt'
import type { ConnectError, Transport } from '@connectrpc/connect'
import { createGrpcWebTransport } from '@connectrpc/connect-node'
import { SERVICE } from './echo.ts'

const WRAPPERS = 'google/protobuf/wrappers.proto'
const MESSAGE = '.google.protobuf.BytesValue'
const methodOf = (name: string, serverStreaming: boolean) => ({
  name,
  inputType: MESSAGE,
  outputType: MESSAGE,
  serverStreaming,
})

const [, packageName, serviceName] = /^(.*)\.([^.]+)$/.exec(SERVICE)!
const file = create(FileDescriptorProtoSchema, {
  name: 'echo.proto',
  package: packageName!,
  syntax: 'proto3',
  dependency: [WRAPPERS],
  service: [
    {
      name: serviceName!,
      method: [methodOf('Unary', false), methodOf('Fail', false), methodOf('Repeat', true), methodOf('FailLate', true)],
    },
  ],
})
const registry = createFileRegistry(file, (name) => (name === WRAPPERS ? file_google_protobuf_wrappers : undefined))
const methods = registry.getService(SERVICE)!.method

type Unary = DescMethodUnary<typeof BytesValueSchema, typeof BytesValueSchema>
type Streaming = DescMethodServerStreaming<typeof BytesValueSchema, typeof BytesValueSchema>

export class WebClient {
  readonly #transport: Transport

  constructor(port: number, httpVersion: '1.1' | '2') {
    this.#transport = createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion })
  }

  /** Rejects with a {@link ConnectError}. */
  unary(name: 'unary' | 'fail', value: Uint8Array, headers: Record<string, string> = {}) {
    const input = create(BytesValueSchema, { value })
    return this.#transport.unary(methods[name] as Unary, undefined, 5000, headers, input, undefined)
  }

  /** The messages until the end, and how it ended. */
  async stream(name: 'repeat' | 'failLate', value: Uint8Array) {
    const input = async function* (): AsyncGenerator<BytesValue> {
      yield create(BytesValueSchema, { value })
    }
    const response = await this.#transport.stream(methods[name] as Streaming, undefined, 5000, {}, input(), undefined)
    const messages: Uint8Array[] = []
    try {
      for await (const message of response.message) messages.push(message.value)
      return { messages, error: undefined, trailers: response.trailer }
    } catch (error) {
      return { messages, error: error as ConnectError, trailers: response.trailer }
    }
  }
}
