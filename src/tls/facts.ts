/** What a finished handshake agreed on, read off the socket. */
import type { TLSSocket } from 'node:tls'
import type { TlsFacts } from '../core/tls-facts.ts'

export function factsOf(socket: TLSSocket, serverName: string): TlsFacts {
  return {
    version: (socket.getProtocol() ?? '').replace(/^TLSv/, ''),
    cipher: socket.getCipher().standardName,
    serverName,
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
    resumed: socket.isSessionReused(),
  }
}
