/**
 * A service on Apache Thrift's own library, written as its compiler would: `add` answers, `echo` returns a struct with
 * every type there is, `divide` throws an exception that it declares, `crash` one that it does not, `notify` is oneway.
 */
import { once } from 'node:events'
import { createRequire } from 'node:module'
import type { AddressInfo, Server, Socket } from 'node:net'

type Fields = { readonly ftype: number; readonly fid: number }

/** What is used of a protocol of the library. */
interface Protocol {
  writeMessageBegin(name: string, type: number, sequence: number): void
  writeMessageEnd(): void
  writeStructBegin(name: string): void
  writeStructEnd(): void
  writeFieldBegin(name: string, type: number, id: number): void
  writeFieldEnd(): void
  writeFieldStop(): void
  writeMapBegin(key: number, value: number, size: number): void
  writeMapEnd(): void
  writeListBegin(type: number, size: number): void
  writeListEnd(): void
  writeSetBegin(type: number, size: number): void
  writeSetEnd(): void
  writeBool(value: boolean): void
  writeByte(value: number): void
  writeI16(value: number): void
  writeI32(value: number): void
  writeI64(value: number): void
  writeDouble(value: number): void
  writeString(value: string): void
  writeBinary(value: Buffer): void
  flush(): void
  readMessageBegin(): { readonly fname: string; readonly mtype: number; readonly rseqid: number }
  readMessageEnd(): void
  readStructBegin(): void
  readStructEnd(): void
  readFieldBegin(): Fields
  readFieldEnd(): void
  readI32(): number
  readString(): string
  skip(type: number): void
}

interface Library {
  readonly Thrift: {
    readonly Type: Readonly<
      Record<
        'STOP' | 'BOOL' | 'BYTE' | 'DOUBLE' | 'I16' | 'I32' | 'I64' | 'STRING' | 'STRUCT' | 'MAP' | 'SET' | 'LIST',
        number
      >
    >
    readonly MessageType: {
      readonly CALL: number
      readonly REPLY: number
      readonly EXCEPTION: number
      readonly ONEWAY: number
    }
    readonly TApplicationException: new (
      type: number,
      message: string,
    ) => Error & { write(output: Protocol): void; read(input: Protocol): void; message: string }
  }
  readonly TBufferedTransport: unknown
  readonly TFramedTransport: unknown
  readonly TBinaryProtocol: unknown
  readonly TCompactProtocol: unknown
  createServer(service: unknown, handler: unknown, options: object): Server
  createConnection(host: string, port: number, options: object): ThriftConnection
  createClient(client: unknown, connection: ThriftConnection): Client
}

interface ThriftConnection {
  readonly connection: Socket
  on(event: string, listener: (error: Error) => void): void
  end(): void
}

const thrift = createRequire(import.meta.url)('thrift') as Library
const { Type, MessageType, TApplicationException } = thrift.Thrift

/** The forms that a connection may have. */
export const FORMS = ['framed binary', 'unframed binary', 'framed compact', 'unframed compact'] as const
export type Form = (typeof FORMS)[number]

function optionsOf(form: Form): object {
  return {
    transport: form.startsWith('framed') ? thrift.TFramedTransport : thrift.TBufferedTransport,
    protocol: form.endsWith('binary') ? thrift.TBinaryProtocol : thrift.TCompactProtocol,
  }
}

function field(output: Protocol, type: number, id: number, write: () => void): void {
  output.writeFieldBegin('field', type, id)
  write()
  output.writeFieldEnd()
}

function struct(output: Protocol, write: () => void): void {
  output.writeStructBegin('struct')
  write()
  output.writeFieldStop()
  output.writeStructEnd()
}

/** Every type, within each other, with `text` of a chosen size. */
function everything(output: Protocol, text: string): void {
  field(output, Type.BOOL, 1, () => output.writeBool(true))
  field(output, Type.BOOL, 2, () => output.writeBool(false))
  field(output, Type.BYTE, 3, () => output.writeByte(-3))
  field(output, Type.I16, 40, () => output.writeI16(-30_000))
  field(output, Type.I32, 41, () => output.writeI32(-2_000_000_000))
  field(output, Type.I64, 42, () => output.writeI64(2 ** 50))
  field(output, Type.DOUBLE, 43, () => output.writeDouble(-0.1))
  field(output, Type.STRING, 44, () => output.writeString(text))
  field(output, Type.STRING, 45, () => output.writeBinary(Buffer.from([0, 255, 0, 12, 11])))
  field(output, Type.LIST, 46, () => {
    output.writeListBegin(Type.I64, 20)
    for (let i = 0; i < 20; i++) output.writeI64(i * 10 ** 9)
    output.writeListEnd()
  })
  field(output, Type.SET, 47, () => {
    output.writeSetBegin(Type.BOOL, 3)
    for (const value of [true, false, true]) output.writeBool(value)
    output.writeSetEnd()
  })
  field(output, Type.MAP, 48, () => {
    output.writeMapBegin(Type.STRING, Type.LIST, 2)
    for (const key of ['one', 'two']) {
      output.writeString(key)
      output.writeListBegin(Type.STRUCT, 2)
      for (let i = 0; i < 2; i++) struct(output, () => field(output, Type.DOUBLE, 1, () => output.writeDouble(i)))
      output.writeListEnd()
    }
    output.writeMapEnd()
  })
  field(output, Type.MAP, 49, () => {
    output.writeMapBegin(Type.I32, Type.BYTE, 3)
    for (let i = 0; i < 3; i++) {
      output.writeI32(-i)
      output.writeByte(i)
    }
    output.writeMapEnd()
  })
  field(output, Type.MAP, 50, () => {
    output.writeMapBegin(Type.STRING, Type.STRING, 0)
    output.writeMapEnd()
  })
  field(output, Type.LIST, 51, () => {
    output.writeListBegin(Type.DOUBLE, 2)
    for (const value of [0.5, 1.5]) output.writeDouble(value)
    output.writeListEnd()
  })
}

function readArguments(input: Protocol): Map<number, number | string> {
  const found = new Map<number, number | string>()
  input.readStructBegin()
  for (;;) {
    const { ftype, fid } = input.readFieldBegin()
    if (ftype === Type.STOP) break
    if (ftype === Type.I32) found.set(fid, input.readI32())
    else if (ftype === Type.STRING) found.set(fid, input.readString())
    else input.skip(ftype)
    input.readFieldEnd()
  }
  input.readStructEnd()
  input.readMessageEnd()
  return found
}

/** The server's half, as the compiler would write it. */
class Processor {
  process(input: Protocol, output: Protocol): void {
    const { fname, mtype, rseqid } = input.readMessageBegin()
    const given = readArguments(input)
    if (mtype === MessageType.ONEWAY) return
    const reply = (type: number, write: () => void): void => {
      output.writeMessageBegin(fname, type, rseqid)
      write()
      output.writeMessageEnd()
      output.flush()
    }
    const fail = (type: number, message: string): void =>
      reply(MessageType.EXCEPTION, () =>
        // The library writes its `code`, which is never set, in place of the type.
        Object.assign(new TApplicationException(type, message), type === 1 ? {} : { code: type }).write(output),
      )
    const result = (write: () => void): void => reply(MessageType.REPLY, () => struct(output, write))
    switch (fname) {
      case 'add':
        result(() => field(output, Type.I32, 0, () => output.writeI32(Number(given.get(1)) + Number(given.get(2)))))
        break
      case 'echo':
        result(() =>
          field(output, Type.STRUCT, 0, () => struct(output, () => everything(output, String(given.get(44))))),
        )
        break
      case 'nothing':
        result(() => {})
        break
      case 'divide':
        result(() =>
          field(output, Type.STRUCT, 1, () =>
            struct(output, () => field(output, Type.STRING, 1, () => output.writeString('by zero'))),
          ),
        )
        break
      case 'crash':
        fail(6, 'the handler threw')
        break
      case 'ignored':
        break
      default:
        fail(1, `Unknown function ${fname}`)
    }
  }
}

type Callback = (error: unknown, value?: unknown) => void

/** The client's half. */
class Client {
  readonly _reqs: Record<number, Callback> = {}
  readonly #output: unknown
  readonly #Protocol: new (
    transport: unknown,
  ) => Protocol
  #sequence = 0

  constructor(output: unknown, Protocol: new (transport: unknown) => Protocol) {
    this.#output = output
    this.#Protocol = Protocol
    const receive = (input: Protocol, type: number, sequence: number): void => this.#receive(input, type, sequence)
    for (const name of ['add', 'echo', 'nothing', 'divide', 'crash', 'missing', 'ignored'])
      Object.assign(this, { [`recv_${name}`]: receive })
  }

  /** What `createClient` of the library calls a service's methods by is not needed: this sends any of them. */
  call(name: string, write: (output: Protocol) => void, oneway = false): Promise<unknown> {
    const sequence = ++this.#sequence
    const output = new this.#Protocol(this.#output)
    return new Promise((resolve, reject) => {
      this._reqs[sequence] = (error, value) => (error ? reject(error) : resolve(value))
      output.writeMessageBegin(name, oneway ? MessageType.ONEWAY : MessageType.CALL, sequence)
      struct(output, () => write(output))
      output.writeMessageEnd()
      output.flush()
      if (oneway) resolve(undefined)
    })
  }

  #receive(input: Protocol, type: number, sequence: number): void {
    if (type === MessageType.EXCEPTION) {
      const exception = new TApplicationException(0, '')
      exception.read(input)
      input.readMessageEnd()
      this._reqs[sequence]?.(exception)
      return
    }
    input.readStructBegin()
    let value: unknown
    let failed = false
    for (;;) {
      const { ftype, fid } = input.readFieldBegin()
      if (ftype === Type.STOP) break
      if (ftype === Type.I32 && fid === 0) value = input.readI32()
      else input.skip(ftype)
      failed ||= fid > 0
      input.readFieldEnd()
    }
    input.readStructEnd()
    input.readMessageEnd()
    this._reqs[sequence]?.(failed ? new Error('declared') : undefined, value)
  }
}

export async function startThriftServer(form: Form, port = 0, host = '127.0.0.1'): Promise<Server> {
  const server = thrift.createServer(Processor, {}, optionsOf(form))
  server.on('error', () => {})
  server.listen(port, host)
  await once(server, 'listening')
  return server
}

export const portOf = (server: Server): number => (server.address() as AddressInfo).port

/** One session with all that the service can do; `bytes` is the size of the large text. Gives what was answered. */
export async function thriftSession(form: Form, host: string, port: number, bytes: number): Promise<string[]> {
  const connection = thrift.createConnection(host, port, optionsOf(form))
  const told: string[] = []
  connection.on('error', (error) => told.push(`error ${error.message}`))
  const client = thrift.createClient(Client, connection)
  const add = (a: number, b: number): Promise<unknown> =>
    client.call('add', (output) => {
      field(output, Type.I32, 1, () => output.writeI32(a))
      field(output, Type.I32, 2, () => output.writeI32(b))
    })
  const tell = async (name: string, result: Promise<unknown>): Promise<void> => {
    try {
      told.push(`${name} ${await result}`)
    } catch (error) {
      told.push(`${name} failed: ${(error as Error).message}`)
    }
  }
  await tell('add', add(2, 3))
  await tell(
    'echo',
    client.call('echo', (output) => everything(output, 'x'.repeat(bytes))),
  )
  await tell(
    'nothing',
    client.call('nothing', () => {}),
  )
  await client.call('notify', (output) => field(output, Type.STRING, 1, () => output.writeString('hello')), true)
  await tell(
    'divide',
    client.call('divide', () => {}),
  )
  await tell(
    'crash',
    client.call('crash', () => {}),
  )
  await tell(
    'missing',
    client.call('missing', () => {}),
  )
  // Several at once.
  await Promise.all([1, 2, 3].map((n) => tell(`add ${n}`, add(n, n))))
  void client.call('ignored', () => {}).catch(() => {})
  await tell('add', add(20, 30))
  connection.end()
  return told
}
