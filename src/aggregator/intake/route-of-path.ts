/** A route guessed from a path, for spans without `http.route`: segments that look like ids become `{id}`. */

const SLASH = 0x2f
const QUERY = 0x3f
const FRAGMENT = 0x23
const ID = Buffer.from('{id}')
const MAX_SEGMENTS = 8
const MAX_BYTES = 200

/** Bytes of the route and how many there are; overwritten by the next call. */
export const routeBytes = new Uint8Array(MAX_BYTES + 16)

/** Writes the route of the path in `bytes` to {@link routeBytes}; gives its length. */
export function routeOfPath(bytes: Uint8Array, at: number, end: number): number {
  let length = 0
  let segments = 0
  for (let from = at; from < end; ) {
    const byte = bytes[from]!
    if (byte === QUERY || byte === FRAGMENT) break
    if (byte === SLASH) {
      routeBytes[length++] = SLASH
      from++
      continue
    }
    let to = from
    let digits = 0
    for (; to < end; to++) {
      const next = bytes[to]!
      if (next === SLASH || next === QUERY || next === FRAGMENT) break
      if (next >= 0x30 && next <= 0x39) digits++
    }
    const isId = to - from > 40 || (digits > 0 && !isVersion(bytes, from, to) && looksLikeId(to - from, digits))
    const wanted = isId ? ID.length : to - from
    if (++segments > MAX_SEGMENTS || length + wanted > MAX_BYTES) {
      routeBytes[length++] = 0x2a // *: the rest
      break
    }
    if (isId) routeBytes.set(ID, length)
    else for (let i = 0; i < wanted; i++) routeBytes[length + i] = bytes[from + i]!
    length += wanted
    from = to
  }
  return length
}

/** `v1`, `v22`: part of an interface's name. */
function isVersion(bytes: Uint8Array, at: number, end: number): boolean {
  return end - at <= 3 && (bytes[at]! | 0x20) === 0x76
}

const looksLikeId = (length: number, digits: number): boolean => digits * 3 >= length || (length >= 16 && digits >= 4)

/** Start of the path in an absolute URL; `end` where it has none. */
export function pathOfUrl(bytes: Uint8Array, at: number, end: number): number {
  for (let i = at, slashes = 0; i < end; i++) if (bytes[i] === SLASH && ++slashes === 3) return i
  return end
}
