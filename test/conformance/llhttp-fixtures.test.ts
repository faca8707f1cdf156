/** llhttp's own fixtures through our readers: what a strict parser must refuse is refused, and messages are counted alike. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestTranscriber, ResponseTranscriber } from '../codec/transcript.ts'
import { absent, readVectors } from '../support/vectors.ts'

interface Fixture {
  readonly file: string
  readonly name: string
  readonly type: string
  readonly meta: Readonly<Record<string, unknown>>
  readonly b64: string
  readonly error: { readonly code: number; readonly reason: string } | null
  readonly messages: number
}

const FILE = 'llhttp-fixtures.json'

/** llhttp stops here because of what follows; these are states of the protocol, and our reader stops as well. */
const PAUSES = new Set(['Pause on CONNECT/Upgrade', 'Data after `Connection: close`'])

/** Faults that llhttp knows as states, its reasons ours to refuse: see docs/conformance.md. */
const STRICTER = new Map<string, string>([
  ['bad_host', 'Most fixtures have no Host; llhttp leaves that to the server, we do not (RFC 9112 §3.2).'],
  ['bad_version', 'llhttp takes 0.9 and 2.0.'],
  ['bad_target', 'llhttp takes fragments and characters that RFC 3986 has not.'],
  ['bad_request_line', 'ICE and RTSP are not HTTP; llhttp takes more than two empty lines.'],
  ['bad_framing', 'Transfer-Encoding before chunked, or on HTTP/1.0.'],
  ['bad_header', 'Lenient flags, folded lines.'],
  ['bad_chunk', 'Lenient flags; sizes of more than eight digits.'],
  ['bad_trailer', 'Lenient flags.'],
  ['bad_upgrade', 'A WebSocket handshake that is not one (RFC 6455 §4.1).'],
  ['bad_method', 'Lenient flags.'],
  ['bad_connection_option', 'Connection names a field that it may not.'],
  [
    'bad_response',
    'Close-delimited bodies with a Transfer-Encoding, framing on 1xx and 204, bare LF by a lenient flag.',
  ],
])

/** Requests that llhttp refuses and our reader takes, each with the reason. */
const TAKEN: Readonly<Record<string, string>> = {
  'HTTP protocol and ANNOUNCE method': 'llhttp has a list of methods; any token is one (RFC 9110 §9.1).',
  'Invalid method': 'MKCOLA is a token: an extension method is forwarded.',
}

/** Fixtures that are about llhttp's callbacks and not about bytes. */
const CALLBACKS: Readonly<Record<string, string>> = {
  'Content-Length reset when no body is received': 'A callback tells it to skip the body of a request.',
  'It should be safe to finish with cb after empty response':
    'The end of the connection completes it, uncounted there.',
}

/** With a Host the rest of a request is looked at as well. */
function withHost(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  if (/\nhost:/i.test(text)) return bytes
  return Buffer.from(text.replace(/^((?:\r\n)*[^\r\n]+\r\n)/, '$1Host: a\r\n'), 'latin1')
}

interface Reading {
  readonly messages: number
  readonly end: string
  readonly code: string
}

function read(fixture: Fixture): Reading {
  const bytes = Buffer.from(fixture.b64, 'base64')
  if (fixture.type.startsWith('request')) {
    const reader = new RequestTranscriber().run([withHost(bytes)])
    return { messages: reader.messages, end: reader.end, code: reader.code }
  }
  const reader = new ResponseTranscriber()
  if (fixture.meta.skipBody === true) reader.requestMethod = 'HEAD'
  reader.run([bytes])
  const { messages, end, code } = reader
  // A fixture is all that came: what ends with the connection is complete then.
  const closed = fixture.type === 'response-finish' && end === 'more' && reader.closeCompletes() ? 1 : 0
  return { messages: messages + closed, end, code }
}

const strict = ({ type }: Fixture): boolean => !type.includes('lenient')

test('251 fixtures', { skip: absent(FILE) }, async (t) => {
  const { cases } = readVectors<{ cases: Fixture[] }>(FILE)
  assert.equal(cases.length, 251)

  await t.test('what a strict parser refuses is refused', () => {
    const refusable = cases.filter(({ error }) => error !== null && !PAUSES.has(error.reason))
    assert.ok(refusable.length > 70)
    const accepted = refusable.filter((fixture) => {
      const { end, messages } = read(fixture)
      // A head or a trailer section that is cut short is not accepted: its end would have to come first.
      return end !== 'refused' && !(end === 'more' && messages === fixture.messages)
    })
    assert.deepEqual(accepted.map(({ name }) => name).sort(), Object.keys(TAKEN).sort())
  })

  await t.test('after close, CONNECT and 101 nothing is read', () => {
    const paused = cases.filter(
      (fixture) => fixture.error !== null && PAUSES.has(fixture.error.reason) && strict(fixture),
    )
    for (const fixture of paused) {
      const reading = read(fixture)
      // An Upgrade that is not to WebSocket is left out, so that what follows it is read as HTTP.
      const readOn = fixture.error!.reason.startsWith('Pause') && reading.messages >= fixture.messages
      assert.ok(reading.end === 'stopped' || reading.end === 'refused' || readOn, `${fixture.name}: ${reading.end}`)
    }
  })

  await t.test('what it takes is taken alike, or refused for a reason of ours', (t) => {
    const counts = new Map<string, number>()
    const differ: string[] = []
    for (const fixture of cases.filter((fixture) => fixture.error === null)) {
      const { messages, end, code } = read(fixture)
      if (CALLBACKS[fixture.name] !== undefined) continue
      const key = end === 'refused' ? code : 'alike'
      counts.set(key, (counts.get(key) ?? 0) + 1)
      const explained =
        end === 'refused' ? STRICTER.has(code) && messages <= fixture.messages : messages === fixture.messages
      if (!explained) differ.push(`${fixture.type} ${fixture.name}: ${messages} of ${fixture.messages}, ${end} ${code}`)
    }
    t.diagnostic(JSON.stringify(Object.fromEntries(counts)))
    assert.deepEqual(differ, [])
  })
})
