/**
 * Paths with stars, as rules have them. No regular expression: three `**` of one try again at every place of a path for
 * every place of the others, so that a client with a long path stops the process for minutes.
 */

/** A star that stands for one segment, and one that stands for any number. */
const SEGMENT = -1
const ANY = -2
/** No place. */
const NOWHERE = -1

const SLASH = 0x2f

/** `*` stands for one segment, `**` for any number; the rest for itself. */
export class PathPattern {
  /** What stands before the first star. */
  readonly #head: string
  /** Letters and stars behind it. */
  readonly #tokens: readonly number[]
  /** Places in the pattern that the path may have come to: number n is before token n. Both are used in turn. */
  readonly #places: readonly [Uint8Array, Uint8Array]

  constructor(glob: string) {
    const star = glob.indexOf('*')
    this.#head = star < 0 ? glob : glob.slice(0, star)
    this.#tokens = star < 0 ? [] : tokensOf(glob.slice(star))
    this.#places = [new Uint8Array(this.#tokens.length + 1), new Uint8Array(this.#tokens.length + 1)]
  }

  /** Whether the whole path fits, in time of its length by that of the pattern. */
  test(path: string): boolean {
    const tokens = this.#tokens
    if (tokens.length === 0) return path === this.#head
    if (!path.startsWith(this.#head)) return false
    const last = tokens.length
    const endsAnywhere = tokens[last - 1] === ANY
    let [now, next] = this.#places
    now.fill(0)
    let first = 0
    reach(tokens, now, 0)
    for (let at = this.#head.length; at < path.length; at++) {
      if (endsAnywhere && now[last] === 1) return true
      first = step(tokens, now, next, first, path.charCodeAt(at))
      if (first === NOWHERE) return false
      ;[now, next] = [next, now]
    }
    return now[last] === 1
  }
}

/** One letter of the path on, from places of which none is before `from`; gives the first place in `next`. */
function step(tokens: readonly number[], now: Uint8Array, next: Uint8Array, from: number, letter: number): number {
  next.fill(0)
  let first = NOWHERE
  for (let place = from; place < tokens.length; place++) {
    if (now[place] === 0) continue
    const token = tokens[place]!
    const goesOn = token === letter
    if (!goesOn && token !== ANY && (token !== SEGMENT || letter === SLASH)) continue
    const to = goesOn ? place + 1 : place
    reach(tokens, next, to)
    if (first === NOWHERE) first = to
  }
  return first
}

/** A star may stand for nothing: whoever is before it is behind it too. */
function reach(tokens: readonly number[], places: Uint8Array, place: number): void {
  places[place] = 1
  for (let star = place; tokens[star]! < 0; star++) places[star + 1] = 1
}

function tokensOf(glob: string): number[] {
  const parts = glob.match(/\*\*|./gs) ?? []
  return parts.map((part) => (part === '**' ? ANY : part === '*' ? SEGMENT : part.charCodeAt(0)))
}
