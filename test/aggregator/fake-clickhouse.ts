/** A server that answers inserts as ClickHouse does, and says what to by what they hold. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'

export interface InsertedRow {
  readonly SpanId: string
  readonly SpanName: string
  readonly Timestamp: string
  readonly 'Events.Timestamp': readonly string[]
}

/** The server's words, as `Code: 27. DB::Exception: … (CANNOT_PARSE_INPUT_ASSERTION_FAILED)`; undefined where it takes the rows. */
export type Refusal = (rows: readonly InsertedRow[], inserts: number) => string | undefined

export interface FakeClickHouse {
  readonly options: { readonly url: string; readonly username: string; readonly password: string }
  /** Rows in the order that they were taken in. */
  readonly rows: InsertedRow[]
  /** Inserts by the token that the server knows repeated ones by, refused ones too. */
  readonly tokens: string[]
}

export async function fakeClickHouse(t: TestContext, refusal: Refusal): Promise<FakeClickHouse> {
  const rows: InsertedRow[] = []
  const tokens: string[] = []
  const server = createServer(async (request, response) => {
    const raw = await buffer(request)
    const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString()
    if (!request.url!.includes('INSERT')) return void response.end()
    const asked = new URL(request.url!, 'http://any').searchParams
    // Rows that are only checked.
    const isKept = asked.get('query')!.includes('otel_traces')
    if (isKept) tokens.push(asked.get('insert_deduplication_token')!)
    const given = text.split('\n').filter((line) => line.startsWith('{'))
    const inserted = given.map((line) => JSON.parse(line) as InsertedRow)
    const words = refusal(inserted, tokens.length)
    if (words === undefined) {
      if (isKept) rows.push(...inserted)
      response.end()
      return
    }
    response.writeHead(words.includes('(TOO_MANY_PARTS)') ? 500 : 400, {
      'x-clickhouse-exception-code': /\d+/.exec(words)![0],
    })
    response.end(words)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { options: { url, username: 'default', password: '' }, rows, tokens }
}
