/** Recorded exchanges from where they are: a mapped file, a file of a dump folder, or a proxy that runs. */
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import type { HostPort } from '../config/values.ts'
import { shownText } from '../core/hidden-characters.ts'
import type { RecordedExchange, RecordedView } from '../telemetry/flight-recorder.ts'
import { isMapped, readMapped } from '../telemetry/recorder/mapped-reader.ts'

const CALL_MS = 10_000
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

/** Newest first. Throws where the file is none of ours. */
export function recordedIn(file: string): RecordedView[] {
  const bytes = readFileSync(file)
  if (isMapped(bytes)) return readMapped(bytes)
  return linesOf(bytes.toString(), file).reverse()
}

/** A dump: what it is, and an exchange a line. The last line may have been cut by the end of the process. */
function linesOf(text: string, file: string): RecordedView[] {
  const [head = '', ...lines] = text.split('\n')
  const given = parsed(head)
  if (given?.hopscope !== 'recording') throw new Error(`${file} is no recording of hopscope`)
  if (given.version !== 1) throw new Error(`${file} is of another version of hopscope`)
  const views: RecordedView[] = []
  for (const line of lines) {
    const view = parsed(line)
    if (view?.kind === 'exchange') views.push(view as unknown as RecordedView)
  }
  return views
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>
  } catch {
    return undefined
  }
}

/** What the proxy behind this admin server still has, newest first; failed and slow ones are kept longer. */
export async function recordedAt(admin: HostPort, id: string | undefined): Promise<RecordedView[]> {
  const query = `limit=1000${id === undefined ? '' : `&id=${encodeURIComponent(id)}`}`
  const recent = await ask(admin, `/exchanges?${query}`)
  const failed = await ask(admin, `/exchanges?${query}&failed`)
  const keyOf = (view: RecordedView): string => `${view.traceId} ${view.spanId}`
  const known = new Set(recent.map(keyOf))
  return [...recent, ...failed.filter((view) => !known.has(keyOf(view)))]
}

function ask({ host, port }: HostPort, path: string): Promise<RecordedView[]> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(CALL_MS)
    const sent = request({ host, port, path, agent: false, signal }, (response) => {
      const parts: Buffer[] = []
      let bytes = 0
      response.on('data', (part: Buffer) => {
        parts.push(part)
        bytes += part.length
        if (bytes > MAX_ANSWER_BYTES) sent.destroy(new Error('the answer is too large'))
      })
      response.once('error', reject)
      response.once('end', () => {
        const text = Buffer.concat(parts).toString()
        if (response.statusCode !== 200) return reject(new Error(`the admin server answered ${response.statusCode}`))
        const answer: unknown = JSON.parse(text)
        if (!Array.isArray(answer)) return reject(new Error('the admin server answered no list'))
        resolve(answer.flat() as RecordedView[])
      })
    })
    sent.once('error', reject)
    sent.end()
  })
}

export const isExchange = (view: RecordedView): view is RecordedExchange => view.kind === 'exchange'

/** Those of this request id, trace id or span id. */
export function withId(views: readonly RecordedView[], id: string): RecordedView[] {
  return views.filter(
    (view) => view.traceId === id || view.spanId === id || (isExchange(view) && view.requestId === id),
  )
}

/** A line for people. */
export function lineOf(view: RecordedView): string {
  if (!isExchange(view)) return `${view.kind} ${view.traceId}`
  const { time, direction, method, host, path, status, durationUs, error, requestId, spanId } = view
  const outcome = error === undefined ? String(status) : `${status} ${error.code}`
  const ms = (durationUs / 1000).toFixed(1)
  return shownText(
    `${time}  ${spanId}  ${direction.padEnd(8)}  ${outcome}  ${ms} ms  ${method} ${host}${path}  ${requestId}`,
  )
}
