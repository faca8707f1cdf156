/**
 * The only FFI: a few calls of libc through koffi, for what Node has no way to (get- and setsockopt, a listening socket
 * with options set before bind, and locks on files). Loaded on first use and only on Linux; where it cannot be had, that
 * is a value with the reason, and the proxy goes on without it or refuses, as its mode asks.
 */
import { createRequire } from 'node:module'
import { getSystemErrorName } from 'node:util'

/** The calls, as C has them: 0 or a descriptor, or -1 with {@link Libc.errno}. */
export interface Libc {
  getsockopt(fd: number, level: number, option: number, value: Uint8Array, length: Uint32Array): number
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number): number
  socket(domain: number, type: number, protocol: number): number
  bind(fd: number, address: Uint8Array, length: number): number
  close(fd: number): number
  flock(fd: number, operation: number): number
  /** Name of the last failure (`ENOENT`). */
  errno(): string
}

/** Why there is no FFI here. */
export interface LibcMissing {
  readonly missing: string
}

interface Koffi {
  load(path: null): { func(definition: string): unknown }
  errno(): number
}

let loaded: Libc | LibcMissing | undefined

/** The calls, or why they are not there. The first call costs some milliseconds, later ones nothing. */
export function libc(): Libc | LibcMissing {
  loaded ??= load()
  return loaded
}

function load(): Libc | LibcMissing {
  if (process.platform !== 'linux') return { missing: `not on Linux but ${process.platform}` }
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi
    const self = koffi.load(null)
    return {
      getsockopt: self.func('int getsockopt(int, int, int, void *, void *)') as Libc['getsockopt'],
      setsockopt: self.func('int setsockopt(int, int, int, void *, uint32_t)') as Libc['setsockopt'],
      socket: self.func('int socket(int, int, int)') as Libc['socket'],
      bind: self.func('int bind(int, void *, uint32_t)') as Libc['bind'],
      close: self.func('int close(int)') as Libc['close'],
      flock: self.func('int flock(int, int)') as Libc['flock'],
      errno: () => errnoName(koffi.errno()),
    }
  } catch (error) {
    return { missing: `koffi cannot be loaded: ${error instanceof Error ? error.message : String(error)}` }
  }
}

function errnoName(errno: number): string {
  return errno > 0 ? getSystemErrorName(-errno) : 'EUNKNOWN'
}
