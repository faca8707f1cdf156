/** All cases of Http11Probe against a real proxy before an echoing origin that is strict itself and tells on us. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { RawClient, statusesIn } from '../support/raw-peers.ts'
import { absent, readVectors } from '../support/vectors.ts'
import { startProxy, type TestProxy } from './proxy.ts'

type Judgement = 'Pass' | 'Warn' | 'Fail'
type State = 'Open' | 'ClosedByServer' | 'TimedOut'

interface Step {
  readonly parts: readonly { readonly b64: string; readonly delayMs: number }[]
}

interface Case {
  readonly id: string
  readonly level: string
  readonly scored: boolean
  readonly desc: string
  readonly expected: string
  readonly steps: readonly Step[]
  readonly verdict?: Readonly<Record<string, Judgement | Record<string, Judgement>>>
}

const FILE = 'http11probe-189.json'
const STEP_MS = 3000
const METHODS = 'GET, HEAD, POST, OPTIONS'

/** Cases that fail by the table and are right, each with the reason. Nothing else may fail. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'SMUG-CL0-BODY-POISON':
    'Informative, "warn" to its authors: X after a complete request begins the next one, and XGET is a token.',
}

/** Cases that want more of an answer than its status, which the table calls failed whatever comes. */
const BY_TEXT: Readonly<Record<string, (text: string) => boolean>> = {
  'COMP-HEAD-NO-BODY': (text) => /^HTTP\/1\.1 200 /.test(text) && text.endsWith('\r\n\r\n'),
  'COMP-DATE-HEADER': (text) => /^HTTP\/1\.1 200 /.test(text) && DATE.test(text),
  'COMP-DATE-FORMAT': (text) => DATE.test(text),
  'COMP-CONTENT-TYPE': (text) => /\r\ncontent-type: text\/plain\r\n/i.test(text),
  'COMP-405-ALLOW': (text) => /^HTTP\/1\.1 405 /.test(text) && /\r\nallow: GET, /i.test(text),
  'COMP-OPTIONS-ALLOW': (text) => /^HTTP\/1\.1 204 /.test(text) && /\r\nallow: GET, /i.test(text),
  'COMP-NO-CL-IN-204': (text) => /^HTTP\/1\.1 204 /.test(text) && !/content-length/i.test(text),
}
const DATE = /\r\ndate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n/i

let origin: Server
let proxy: TestProxy
/** Any token is a method to a proxy (RFC 9110 §9.1), this origin's parser has a list; and uploads do break off. */
const HARMLESS = new Set(['HPE_INVALID_METHOD', 'HPE_INVALID_EOF_STATE', 'ECONNRESET'])
/** What the origin's own strict parser refused: something that the proxy should never have sent. */
const forwardedInDoubt: string[] = []

before(async () => {
  origin = createServer(echo)
  origin.on('clientError', (error: Error & { code?: string; rawPacket?: Buffer }, socket) => {
    if (!HARMLESS.has(error.code ?? '')) {
      forwardedInDoubt.push(`${error.code} ${error.rawPacket?.toString('latin1')}`)
    }
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  })
  origin.listen(0, '127.0.0.1')
  await once(origin, 'listening')
  proxy = await startProxy((origin.address() as AddressInfo).port)
})

after(async () => {
  await proxy.close()
  origin.closeAllConnections()
  origin.close()
})

/** Takes the whole request, then sends its body back. */
async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const pieces: Buffer[] = []
  try {
    for await (const piece of request) pieces.push(piece)
  } catch {
    // The proxy gave the request up, as it must where its end never came.
    return
  }
  if (request.method === 'OPTIONS') response.writeHead(204, { Allow: METHODS }).end()
  else if (request.method === 'DELETE') response.writeHead(405, { Allow: METHODS }).end()
  else response.writeHead(200, { 'Content-Type': 'text/plain' }).end(pieces.length > 0 ? Buffer.concat(pieces) : 'OK')
}

/** The bytes of a part. The Content-Lengths in there count on an authority as long as its placeholder. */
function bytesOf(b64: string): Buffer {
  const text = Buffer.from(b64, 'base64').toString('latin1')
  return Buffer.from(text.replaceAll('@@HOST@@', 'a.b:8080'), 'latin1')
}

async function send(client: RawClient, step: Step): Promise<void> {
  for (const { b64, delayMs } of step.parts) {
    client.sendBytes(bytesOf(b64))
    if (delayMs > 0) await client.sees(() => false, delayMs)
  }
}

/** Final responses, without 1xx. */
const answersIn = (text: string): number[] => statusesIn(text).filter((status) => status >= 200)

interface Outcome {
  readonly state: State
  readonly answers: readonly number[]
  readonly text: string
}

/** Send a step and read its answer. An answer that announces the close must be followed by it. */
async function runStep(client: RawClient, step: Step): Promise<Outcome> {
  const from = client.received.length
  await send(client, step)
  const complete = (text: string): boolean => {
    const fresh = text.slice(from).replace(/^(HTTP\/1\.1 1\d\d .*\r\n(.+\r\n)*\r\n)+/, '')
    return fresh.includes('\r\n\r\n')
  }
  const seen = await client.sees(complete, STEP_MS)
  const text = client.received.slice(from)
  if (/\r\nconnection: close\r\n/i.test(text)) await client.untilClosed(STEP_MS)
  const state = client.ending !== 'open' ? 'ClosedByServer' : seen ? 'Open' : 'TimedOut'
  return { state, answers: answersIn(text), text }
}

function judgeSingle({ id, verdict }: Case, { state, answers, text }: Outcome): Judgement {
  const byText = BY_TEXT[id]
  if (byText !== undefined) return byText(text) ? 'Pass' : 'Fail'
  const [status] = answers
  if (status === undefined) return (verdict![`none/${state}`] as Judgement | undefined) ?? 'Fail'
  return (verdict![state] as Record<string, Judgement> | undefined)?.[String(status)] ?? 'Fail'
}

const refused = ({ state, answers }: Outcome): boolean =>
  answers.length === 0 || answers[0]! >= 400 || state === 'ClosedByServer'

/** A sequence: what came over must never be taken for a request of its own. */
async function judgeSequence(client: RawClient, steps: readonly Step[], first: Outcome): Promise<Judgement> {
  if (first.answers.length > 1) return 'Fail'
  if (refused(first) && client.ending !== 'open') return 'Pass'
  const second = await runStep(client, steps[1]!)
  client.finish()
  const all = answersIn(await client.untilClosed())
  if (all.length > 2) return 'Fail'
  if (refused(first)) return 'Pass'
  return second.answers.length !== 1 || second.answers[0]! >= 400 ? 'Fail' : 'Pass'
}

async function run(probe: Case): Promise<string> {
  const client = await RawClient.connect(proxy.port)
  try {
    const first = await runStep(client, probe.steps[0]!)
    const judgement =
      probe.verdict === undefined ? await judgeSequence(client, probe.steps, first) : judgeSingle(probe, first)
    return judgement === 'Fail'
      ? `${probe.id}: ${first.state} ${first.answers.join(',')}; wanted: ${probe.expected} (${probe.desc})`
      : ''
  } finally {
    client.close()
  }
}

test('189 cases of Http11Probe', { skip: absent(FILE) }, async (t) => {
  const { cases } = readVectors<{ cases: Case[] }>(FILE)
  assert.equal(cases.length, 189)
  const outcomes = await Promise.all(cases.map(run))
  const failed = cases.filter((_, i) => outcomes[i] !== '').map(({ id }) => id)
  t.diagnostic(`${cases.length - failed.length} of ${cases.length} pass, ${failed.length} exceptions`)
  assert.deepEqual(
    outcomes.filter((outcome, i) => outcome !== '' && EXCEPTIONS[cases[i]!.id] === undefined),
    [],
  )
  assert.deepEqual(Object.keys(EXCEPTIONS).sort(), failed.sort(), 'an exception that is not needed goes')
  assert.deepEqual(forwardedInDoubt, [], "the origin's strict parser accepts all that was forwarded")
  assert.deepEqual(proxy.complaints, [])
})
