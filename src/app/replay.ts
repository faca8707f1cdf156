/** `hopscope replay`: a recorded exchange is sent again, and what comes is held against what came. */
import { createHash } from 'node:crypto'
import { type IncomingMessage, request } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { HostPort } from '../config/values.ts'
import type { RecordedExchange } from '../telemetry/flight-recorder.ts'
import { isExchange, lineOf, recordedAt, recordedIn, withId } from './recording-source.ts'
import { type ReplayRequest, type ReplayRules, replayRequest } from './replay-request.ts'

export interface ReplayOptions extends ReplayRules {
  /** Where the exchange is recorded: a file, or a proxy that runs. */
  readonly source: { readonly file: string } | { readonly admin: HostPort }
  /** Request, trace or span id; undefined: the only one there is. */
  readonly id: string | undefined
  readonly timeoutMs: number
}

const MAX_BODY_BYTES = 64 * 1024 * 1024
const MAX_LISTED = 20

interface Replayed {
  readonly status: number
  readonly ms: number
  readonly bytes: number
  readonly digest: string
}

/** What is to be printed. Throws an Error that says why where nothing could be sent, or nothing came. */
export async function replay(options: ReplayOptions): Promise<string> {
  const x = await recorded(options)
  const made = replayRequest(x, options)
  const came = await send(made, options.timeoutMs)
  return [
    `${made.method} ${made.url.href}`,
    ...made.left.map((what) => `  left out  ${what}`),
    `  recorded  ${x.error === undefined ? x.status : `${x.status} ${x.error.code}`} in ${msOf(x.durationUs / 1000)}, ${x.responseBytes} bytes`,
    `  replayed  ${came.status} in ${msOf(came.ms)}, ${came.bytes} bytes`,
    `  differs   ${differences(x, came)}`,
    `  trace     ${made.traceId}`,
  ].join('\n')
}

const msOf = (ms: number): string => `${ms.toFixed(1)} ms`

function differences(x: RecordedExchange, came: Replayed): string {
  const found: string[] = []
  if (x.status !== came.status) found.push(`status ${x.status} → ${came.status}`)
  const { responseBody } = x
  const isWhole = responseBody?.text !== undefined && responseBody.kept === responseBody.bytes && !responseBody.redacted
  if (isWhole) {
    if (digestOf(Buffer.from(responseBody.text!)) !== came.digest) found.push('body')
  } else if (x.responseBytes !== came.bytes) found.push(`size of the body, ${x.responseBytes} → ${came.bytes} bytes`)
  const difference = came.ms - x.durationUs / 1000
  const time = `time by ${difference < 0 ? '−' : '+'}${msOf(Math.abs(difference))}`
  return [...found, time].join('; ')
}

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

async function recorded({ source, id }: ReplayOptions): Promise<RecordedExchange> {
  const all = 'file' in source ? recordedIn(source.file) : await recordedAt(source.admin, undefined)
  const found = (id === undefined ? all : withId(all, id)).filter(isExchange)
  const [first, second] = found
  if (first === undefined)
    throw new Error(id === undefined ? 'nothing is recorded there' : `${id} is not recorded there`)
  if (second === undefined) return first
  const listed = found.slice(0, MAX_LISTED).map((one) => `  ${lineOf(one)}`)
  const rest = found.length > MAX_LISTED ? `\n  … and ${found.length - MAX_LISTED} more` : ''
  throw new Error(`which one? --exchange names it by its span id, the second column:\n${listed.join('\n')}${rest}`)
}

function send({ method, url, headers, body }: ReplayRequest, timeoutMs: number): Promise<Replayed> {
  const begun = performance.now()
  const make = url.protocol === 'https:' ? tlsRequest : request
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      const { code } = error as NodeJS.ErrnoException
      const why =
        error.name === 'AbortError' || error.name === 'TimeoutError' ? `no answer in ${timeoutMs} ms` : error.message
      reject(new Error(`${method} ${url.href}: ${why === '' ? code : why}`))
    }
    const signal = AbortSignal.timeout(timeoutMs)
    const sent = make(url, { method, headers, agent: false, signal }, (response: IncomingMessage) => {
      const hash = createHash('sha256')
      let bytes = 0
      response.on('data', (piece: Buffer) => {
        bytes += piece.length
        hash.update(piece)
        if (bytes > MAX_BODY_BYTES) sent.destroy(new Error(`the answer is over ${MAX_BODY_BYTES} bytes`))
      })
      response.once('error', failed)
      response.once('end', () => {
        const ms = performance.now() - begun
        resolve({ status: response.statusCode ?? 0, ms, bytes, digest: hash.digest('hex') })
      })
    })
    sent.once('error', failed)
    sent.end(body)
  })
}
