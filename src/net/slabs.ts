/**
 * Buffers for bytes on their way out, used again. Body bytes must be copied out of the shared read buffer before the
 * next read; a fresh buffer for each would be external memory that brings on full garbage collections, and those are
 * what a 99th percentile is made of. Most writes are taken by the kernel at once, so that one slab serves nearly all.
 */

/** A full read and its framing. */
const SLAB_BYTES = 128 * 1024 + 4096
/** Below this a slab would be wasted: small buffers come from Node's own pool. */
const MIN_BYTES = 4096
/** Slow readers may hold all of them; whoever comes then gets a buffer of its own size. */
const MAX_SLABS = 32

const free: Buffer[] = []
let made = 0

/** A buffer of at least `bytes`, or undefined where a plain one should be made. */
export function takeSlab(bytes: number): Buffer | undefined {
  if (bytes < MIN_BYTES || bytes > SLAB_BYTES) return undefined
  const slab = free.pop()
  if (slab !== undefined || made >= MAX_SLABS) return slab
  made++
  return Buffer.allocUnsafeSlow(SLAB_BYTES)
}

/** Nothing refers to the bytes any more. */
export function giveSlab(slab: Buffer): void {
  free.push(slab)
}

/** The slab went down with its socket; another may be made in its place. */
export function forgetSlab(): void {
  made--
}
