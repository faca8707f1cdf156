/**
 * TLS on the handle of an accepted connection, read into the wire's shared buffer. `node:tls` takes `onread` only where
 * it makes the connection itself, and wraps an accepted one so that every record comes as a buffer and an event of its
 * own (12.5 µs a request against 10.8): so it is told to make one, and given the handle in the place of a new one.
 */
import { type SecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls'
import type { OnRead } from '../net/wire.ts'

/** What Node's own TLS server touches of a TLS socket, and a program that wraps connections must. */
interface Internals {
  connecting: boolean
  secureConnecting: boolean
  _handle: {
    /** Bytes of the connection that were read already. */
    receive(bytes: Buffer): void
    /** OpenSSL's verdict on the peer's certificate. */
    verifyError(): (Error & { code?: string }) | null | undefined
  } | null
  _releaseControl(): boolean
}

const internals = (socket: TLSSocket): Internals => socket as unknown as Internals

type WrapHandle = (this: TLSSocket, wrap: unknown, handle: unknown, activeWrite: boolean) => unknown
const wrapHandle = (TLSSocket.prototype as unknown as { _wrapHandle: WrapHandle })._wrapHandle

/** The handle for the socket that is being constructed; the constructor asks for it before there is a `this`. */
let handed: object | undefined

class AcceptedSocket extends TLSSocket {
  _wrapHandle(wrap: unknown, handle: unknown, activeWrite: boolean): unknown {
    return wrapHandle.call(this, wrap, handed ?? handle, activeWrite)
  }
}

export interface AcceptedTlsOptions {
  readonly context: SecureContext
  /** Offered to the client by ALPN, at most one; undefined: ALPN is not answered, which is no error. */
  readonly protocol: string | undefined
  readonly requestCert: boolean
  /** Without a certificate the handshake ends with an alert. Bad ones end it by {@link peerVerdict}. */
  readonly requireCert: boolean
}

/** Begin the server's side of a handshake on `handle`; `early` are bytes read already. */
export function acceptTls(handle: object, onread: OnRead, early: Buffer, options: AcceptedTlsOptions): TLSSocket {
  const { context, protocol, requestCert, requireCert } = options
  const tls: TLSSocketOptions & { onread: OnRead; allowHalfOpen: boolean } = {
    isServer: true,
    secureContext: context,
    requestCert,
    rejectUnauthorized: requireCert,
    allowHalfOpen: true,
    onread,
    ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
  }
  handed = handle
  try {
    const socket = new AcceptedSocket(undefined as never, tls)
    internals(socket).connecting = false
    // After the constructor's callers have put their listeners on.
    process.nextTick(begin, socket, early)
    return socket
  } finally {
    handed = undefined
  }
}

function begin(socket: TLSSocket, early: Buffer): void {
  if (early.length > 0) internals(socket)._handle?.receive(early)
  if (!socket.destroyed) socket.resume()
}

/** The handshake is done: errors come by the socket's `error` from now on. */
export function released(socket: TLSSocket): void {
  internals(socket).secureConnecting = false
  internals(socket)._releaseControl()
}

/** Why the peer's certificate does not pass, '' where it does or there was none to check. */
export function peerVerdict(socket: TLSSocket): string {
  return internals(socket)._handle?.verifyError()?.code ?? ''
}
