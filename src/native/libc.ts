/**
 * The only FFI: a few calls of libc through koffi, for what Node has no way to (get- and setsockopt, a listening socket
 * with options set before bind, connections that wait for it, locks on files, memory and cores given back). Loaded on
 * first use and only on Linux; where it cannot be had, that is a value with the reason, and the proxy goes on without it
 * or refuses, as its mode asks.
 */
import { createRequire } from 'node:module'
import { getSystemErrorName } from 'node:util'

/** The calls, as C has them: 0 or a descriptor, or -1 with {@link Libc.errno}. */
export interface Libc {
  getsockopt(fd: number, level: number, option: number, value: Uint8Array, length: Uint32Array): number
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number): number
  socket(domain: number, type: number, protocol: number): number
  bind(fd: number, address: Uint8Array, length: number): number
  accept4(fd: number, address: null, length: null, flags: number): number
  close(fd: number): number
  flock(fd: number, operation: number): number
  /** 0, or the errno itself. */
  posixFallocate(fd: number, offset: number, length: number): number
  /** `length` bytes of the file, shared with it, as memory; undefined where it failed. There until the process ends. */
  mapShared(fd: number, length: number): ArrayBuffer | undefined
  /** `at`: an address of this process. */
  madvise(at: number, length: number, advice: number): number
  schedYield(): number
  /** Name of the last failure (`ENOENT`). */
  errno(): string
}

/** Why there is no FFI here. */
export interface LibcMissing {
  readonly missing: string
}

interface Library {
  func(definition: string): unknown
}

interface Koffi {
  load(path: null): Library
  errno(): number
  address(pointer: unknown): bigint
  view(pointer: unknown, length: number): ArrayBuffer
}

const PROT_READ_WRITE = 3
const MAP_SHARED = 1
/** As a pointer. */
const MAP_FAILED = 2n ** 64n - 1n

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
      accept4: self.func('int accept4(int, void *, void *, int)') as Libc['accept4'],
      close: self.func('int close(int)') as Libc['close'],
      flock: self.func('int flock(int, int)') as Libc['flock'],
      posixFallocate: self.func('int posix_fallocate(int, int64_t, int64_t)') as Libc['posixFallocate'],
      madvise: self.func('int madvise(size_t, size_t, int)') as Libc['madvise'],
      schedYield: self.func('int sched_yield()') as Libc['schedYield'],
      mapShared: sharedMapping(koffi, self),
      errno: () => errnoName(koffi.errno()),
    }
  } catch (error) {
    return { missing: `koffi cannot be loaded: ${error instanceof Error ? error.message : String(error)}` }
  }
}

function sharedMapping(koffi: Koffi, self: Library): Libc['mapShared'] {
  const mmap = self.func('void *mmap(void *, size_t, int, int, int, int64_t)') as (
    at: null,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ) => unknown
  return (fd, length) => {
    const pointer = mmap(null, length, PROT_READ_WRITE, MAP_SHARED, fd, 0)
    return koffi.address(pointer) === MAP_FAILED ? undefined : koffi.view(pointer, length)
  }
}

function errnoName(errno: number): string {
  return errno > 0 ? getSystemErrorName(-errno) : 'EUNKNOWN'
}
