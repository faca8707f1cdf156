/** Messages by grammar, then broken: what hostile and careless peers send. Seeded, so that a case can be had again. */

/** Uniform numbers from a seed (the mulberry32 recurrence). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % bound
  }

  chance(percent: number): boolean {
    return this.below(100) < percent
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }
}

const METHODS = [
  'GET',
  'GET',
  'POST',
  'POST',
  'PUT',
  'HEAD',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'CONNECT',
  'get',
  'FOO',
]
const TARGETS = [
  '/',
  '/',
  '/a?b=c',
  '/a/%00',
  'http://a/',
  'http://b/',
  'https://a?x',
  '*',
  '/a#f',
  '/a b',
  '/\\',
  'a:80',
  '/\xe9',
  '',
]
const VERSIONS = [
  '1.1',
  '1.1',
  '1.1',
  '1.1',
  '1.1',
  '1.1',
  '1.0',
  '1.0',
  '1.2',
  '2.0',
  '0.9',
  '11',
  '1',
  '1.10',
  '1.1 ',
]
const HOSTS = [
  'Host: a',
  'Host: a',
  'Host: a',
  'Host: a',
  'Host: a',
  'Host: a:80',
  '',
  'Host:',
  'Host: a,b',
  'Host: a\r\nHost: a',
  'host:a',
]
const FIELDS = [
  'Connection: keep-alive',
  'Connection: close',
  'Connection: x-a, keep-alive',
  'Connection: content-length',
  'Connection: Upgrade\r\nUpgrade: h2c',
  'Upgrade: websocket',
  'Expect: 100-continue',
  'TE: trailers',
  'X-A: b',
  'X-A:b',
  'X-A:',
  'X-A: ',
  'X-A:\t b \t',
  'X-A: b\xe9\x85\xa0',
  'X-A: \xa0',
  'X-A : b',
  ' X-A: b',
  'X-A: b\r\n c',
  'X-A: b\r\n\tc',
  ': b',
  'X-A',
  'X A: b',
  'X\x00A: b',
  'X-A: b\x00',
  'X-A: b\x7f',
  'X-A: b\rc',
  'X-A: b\nX-B: c',
  'X-A: b\x01',
  '__proto__: x',
  'Content_Length: 5',
  'Keep-Alive: timeout=5',
]
const LENGTHS = [
  '5',
  '0',
  '05',
  '+5',
  '-5',
  '5,5',
  '5, 5',
  '0x5',
  '5 ',
  ' 5',
  '',
  '5 5',
  '1e1',
  '99999999999999999999',
  '9007199254740993',
  '18446744073709551621',
  '5\x0b',
  '\xb2',
]
const CODINGS = [
  'chunked',
  'chunked',
  'chunked',
  'Chunked',
  'CHUNKED',
  ' chunked ',
  'xchunked',
  'chunked,chunked',
  ',chunked',
  'chunked,',
  'gzip',
  'gzip, chunked',
  'chunked, gzip',
  'identity',
  '',
  '\tchunked',
  '\x0bchunked',
  '"chunked"',
  'chunked;a=b',
  'chunked\r\n , identity',
]
const SIZES = [
  '5',
  '5',
  '5',
  '5',
  '5',
  '05',
  '0005',
  '00000005',
  '000000005',
  '0x5',
  '+5',
  '-5',
  '5 ',
  ' 5',
  '5_',
  '',
  'g',
  'FFFFFFFF',
  'FFFFFFFFF',
  'FFFFFFFFFFFFFFFF1',
  '4',
  '6',
  'A',
]
const EXTENSIONS = [
  '',
  '',
  '',
  '',
  ';',
  ';a',
  ';a=b',
  ';a="b"',
  ';a="b\\"c"',
  ';a="',
  ';a=b;c=d',
  ';;',
  ';=b',
  '; a=b',
  ' ;a',
  ';a =b',
  ';a\x00',
  ';a="\x01"',
  ';a=b c',
  ';a="b"c',
]
const TRAILERS = [
  '',
  '',
  '',
  '',
  'X-T: v\r\n',
  'X-T:v\r\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Host: b\r\n',
  'bad\r\n',
  ' folded: x\r\n',
  'X T: v\r\n',
  'X-T: v\n',
]
const REASONS = [' OK', ' OK', ' OK', ' ', '', ' O\tK', ' \xe9', ' O\x00K', ' O\rK', '  OK']
const STATUSES = [
  '200',
  '200',
  '200',
  '200',
  '404',
  '204',
  '304',
  '100',
  '101',
  '103',
  '500',
  '99',
  '600',
  '20',
  '2000',
  '2x0',
  '099',
  ' 200',
]
/** Put in at random places. */
const SPICE = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  '\0',
  ':',
  ',',
  ';',
  '\x0b',
  '\x7f',
  '\x80',
  '\xff',
  '0',
  '5',
  'x',
  '\r\n ',
  '\n\n',
  '\r\r\n',
  '\n\r',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  '0\r\n\r\n',
  'GET / HTTP/1.1\r\n',
]

/** Mostly one clean chunked body; the clean choice stands first in every list. */
function chunkedBody(random: Random): string {
  let body = ''
  const clean = random.chance(50)
  for (let left = random.below(3); left > 0; left--) {
    const extension = clean ? '' : random.pick(EXTENSIONS)
    body += `${clean ? '5' : random.pick(SIZES)}${extension}\r\nhello\r\n`
  }
  return `${body}0${clean ? '' : random.pick(EXTENSIONS)}\r\n${clean ? '' : random.pick(TRAILERS)}\r\n`
}

/** Framing fields, and a body that fits or does not. */
function framing(random: Random): [string, string] {
  const kind = random.below(20)
  if (kind < 5) return ['', '']
  if (kind < 9) return ['Content-Length: 5\r\n', 'hello']
  if (kind < 10) return [`Content-Length: ${random.pick(LENGTHS)}\r\n`, 'hello']
  if (kind < 15) return ['Transfer-Encoding: chunked\r\n', chunkedBody(random)]
  if (kind < 17) return [`Transfer-Encoding: ${random.pick(CODINGS)}\r\n`, chunkedBody(random)]
  if (kind < 18) return [`Content-Length: 5\r\nTransfer-Encoding: ${random.pick(CODINGS)}\r\n`, chunkedBody(random)]
  if (kind < 19) return [`Content-Length: 5\r\nContent-Length: ${random.pick(LENGTHS)}\r\n`, 'hello']
  return [`Transfer-Encoding: ${random.pick(CODINGS)}\r\nTransfer-Encoding: chunked\r\n`, chunkedBody(random)]
}

/** A field or none; one in eight from the list of odd ones. */
function someFields(random: Random): string {
  let text = ''
  for (let left = random.below(3); left > 0; left--) text += `${random.chance(12) ? random.pick(FIELDS) : 'X-A: b'}\r\n`
  return text
}

const usually = <T>(random: Random, first: T, others: readonly T[]): T =>
  random.chance(88) ? first : random.pick(others)

function request(random: Random): string {
  const method = usually(random, random.pick(['GET', 'POST', 'DELETE']), METHODS)
  const line = `${method} ${usually(random, '/', TARGETS)} HTTP/${usually(random, '1.1', VERSIONS)}\r\n`
  const host = usually(random, 'Host: a', HOSTS)
  const [fields, body] = framing(random)
  const head = random.chance(50) ? fields + someFields(random) : someFields(random) + fields
  return `${line}${host === '' ? '' : `${host}\r\n`}${head}\r\n${body}`
}

function response(random: Random): string {
  const line = `HTTP/${usually(random, '1.1', VERSIONS)} ${usually(random, '200', STATUSES)}${usually(random, ' OK', REASONS)}\r\n`
  const [fields, body] = framing(random)
  return `${line}${someFields(random)}${fields}\r\n${body}`
}

function mutate(random: Random, text: string): string {
  if (text.length === 0) return text
  const at = random.below(text.length)
  const rest = text.slice(at)
  switch (random.below(10)) {
    case 0:
      return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(8))) + text.slice(at + 1)
    case 1:
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1)
    case 2:
      return text.slice(0, at) + text.slice(at + 1)
    case 3:
      return text.slice(0, at) + text[at] + rest
    case 4:
    case 5:
      return text.slice(0, at) + random.pick(SPICE) + rest
    case 6:
      return (
        text.slice(0, at) + rest.replace('\r\n', random.pick(['\n', '\r', '', '\r\n\r\n', '\r\r\n', ' \r\n', '\r\n ']))
      )
    case 7:
      return text.slice(0, at)
    case 8: {
      const end = Math.min(text.length, at + 1 + random.below(16))
      return text.slice(0, end) + text.slice(at)
    }
    default: {
      const lines = text.split('\r\n')
      const line = random.below(lines.length)
      lines.splice(random.below(lines.length), 0, lines[line]!)
      return lines.join('\r\n')
    }
  }
}

/** One case: one to three messages in a row, broken in up to three places. */
function stream(random: Random, message: (random: Random) => string): Buffer {
  let text = random.chance(3) ? '\r\n' : ''
  for (let left = 1 + (random.chance(30) ? random.below(3) : 0); left > 0; left--) text += message(random)
  for (let left = random.chance(45) ? 1 + random.below(3) : 0; left > 0; left--) text = mutate(random, text)
  // Rarely, something long: over the limits of a line, of extensions, of a head.
  if (random.below(2000) === 0) {
    const at = random.below(text.length + 1)
    text =
      text.slice(0, at) +
      random.pick(['a', ' ', '0', '\r\n', 'X: y\r\n', ';a']).repeat(2 ** random.below(16)) +
      text.slice(at)
  }
  return Buffer.from(text, 'latin1')
}

export function requestStream(random: Random): Buffer {
  return stream(random, request)
}

export function responseStream(random: Random): Buffer {
  return stream(random, response)
}
