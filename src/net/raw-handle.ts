/** What Node shows of a socket's handle nowhere public, in one place. */
import { closeSync } from 'node:fs'
import type { Server, Socket } from 'node:net'

export interface RawHandle {
  readonly fd?: number
  readonly writeQueueSize?: number
  useUserBuffer?: unknown
  /** Of a TLS handle: that of the connection below. */
  readonly _parent?: RawHandle
  close?: (closed?: () => void) => void
  reset?: (closed?: () => void) => void
}

/** What a TCP handle has. */
export interface TcpHandle extends RawHandle {
  open(fd: number): number
  setNoDelay(on: boolean): number
  close(closed?: () => void): void
}

/** Its class; 0 makes one for a connection. */
type TcpHandleClass = new (kind: 0) => TcpHandle

interface Holder {
  _handle: RawHandle | null
}

const holderOf = (socket: Socket | Server): Holder => socket as unknown as Holder

/** Null once the socket is closed. */
export function handleOf(socket: Socket): RawHandle | null {
  return holderOf(socket)._handle
}

/** Descriptor of a listening socket; -1 once it is closed, and where there is none. */
export function descriptorOf(server: Server): number {
  return holderOf(server)._handle?.fd ?? -1
}

/**
 * A handle for a connection that was accepted on a descriptor, which belongs to it from now on. node:net would ask the
 * kernel in five calls what the descriptor is. Null where the server is closed, or the descriptor cannot be used.
 */
export function handleOn(fd: number, server: Server): TcpHandle | null {
  const like = holderOf(server)._handle
  if (like === null) return null
  const handle = new (like.constructor as TcpHandleClass)(0)
  if (handle.open(fd) !== 0) {
    handle.close()
    closeSync(fd)
    return null
  }
  handle.setNoDelay(true)
  return handle
}

/** Take the handle away, and let the socket go without it. Null where it is closed. */
export function takeHandle(socket: Socket): RawHandle | null {
  const holder = holderOf(socket)
  const handle = holder._handle
  holder._handle = null
  return handle
}

/** Bytes that the kernel has not taken. */
export function queuedIn(socket: Socket): number {
  const handle = handleOf(socket)
  // A TLS handle counts what it encrypted, whether or not the connection below has taken it.
  if (handle?._parent !== undefined) return handle._parent.writeQueueSize || socket.writableLength
  return handle?.writeQueueSize ?? socket.writableLength
}

/** Close with RST. */
export function resetSocket(socket: Socket): void {
  const below = handleOf(socket)?._parent
  // While a FIN is on its way out libuv refuses a reset, and Node would then never say that the socket closed.
  const finishing = socket.writableEnded && !socket.writableFinished
  if (socket.connecting || finishing || typeof socket.resetAndDestroy !== 'function') socket.destroy()
  else if (below === undefined) socket.resetAndDestroy()
  else {
    // Node refuses to reset a TLS socket. Its destruction closes the connection below, which can.
    if (below.reset !== undefined && !socket.writableEnded) below.close = below.reset
    socket.destroy()
  }
}
