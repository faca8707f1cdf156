/** An upstream that speaks TLS, by node:tls, with what a test wants of it. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { ok } from '../support/origin.ts'
import type { Files } from './certificates.ts'

export interface SecureOrigin {
  readonly port: number
  /** Finished handshakes. */
  readonly connections: TLSSocket[]
  /** Everything that came after handshakes, latin1. */
  received: string
}

/** Answers every request with what its connection agreed on. */
export async function secureOrigin(t: TestContext, files: Files, options: TlsOptions = {}): Promise<SecureOrigin> {
  const origin: SecureOrigin = { port: 0, connections: [], received: '' }
  const all = { cert: readFileSync(files.cert), key: readFileSync(files.key), ALPNProtocols: ['http/1.1'], ...options }
  const server = createServer(all, (socket) => {
    origin.connections.push(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      origin.received += bytes.toString('latin1')
      const { subject } = socket.getPeerCertificate()
      socket.write(
        ok(JSON.stringify({ name: socket.servername, resumed: socket.isSessionReused(), client: subject?.CN })),
      )
    })
  })
  server.on('tlsClientError', () => {})
  return Object.assign(origin, { port: await listening(t, server) })
}

/** Answers every request, by HTTP/2. */
export async function secureHttp2Origin(t: TestContext, files: Files): Promise<{ readonly port: number }> {
  const pair = { cert: readFileSync(files.cert), key: readFileSync(files.key) }
  const server = createSecureServer(pair, (_request, response) => response.end('fine'))
  server.on('sessionError', () => {})
  return { port: await listening(t, server) }
}

/** A server of raw TCP connections. */
export async function rawOrigin(t: TestContext, onSocket: (socket: Socket) => void): Promise<number> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    onSocket(socket)
  })
  return await listening(t, server)
}

async function listening(t: TestContext, server: ReturnType<typeof createTcpServer>): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
