/** Connections that wait at a listening socket. */
import { libc } from './libc.ts'
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from './socket-flags.ts'

/**
 * Accept one of the connections that the kernel holds for `listening`, without waiting.
 * @returns its descriptor, owned by the caller; -1 where none waits, none can be had, or there is no FFI.
 */
export function acceptWaiting(listening: number): number {
  const calls = libc()
  return 'missing' in calls ? -1 : calls.accept4(listening, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC)
}
