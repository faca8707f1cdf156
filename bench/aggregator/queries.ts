/** What the page asks, timed over what was stored. */
import type { AggregatorUnderTest } from './aggregator-process.ts'

export interface QueryTime {
  readonly name: string
  /** Each try in turn; the first finds nothing at hand. */
  readonly ms: readonly number[]
  readonly bytes: number
}

const DAY = 'lastMs=86400000'

/** Asks everything `tries` times. Rejects where an answer is a failure. */
export async function queryTimes(it: AggregatorUnderTest, tries: number): Promise<QueryTime[]> {
  const times: QueryTime[] = []
  for (const [name, path] of await queries(it)) {
    const ms: number[] = []
    let bytes = 0
    for (let i = 0; i < tries; i++) {
      const begun = performance.now()
      const answer = await fetch(`http://127.0.0.1:${it.uiPort}/api/hopscope/${path}`)
      bytes = (await answer.arrayBuffer()).byteLength
      ms.push(performance.now() - begun)
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
    }
    times.push({ name, ms, bytes })
  }
  return times
}

async function queries(it: AggregatorUnderTest): Promise<[string, string][]> {
  const { spans } = await it.ask<{ spans: { traceId: string }[] }>(`spans?limit=1&${DAY}&http=503`)
  const id = spans[0]?.traceId
  if (id === undefined) throw new Error('nothing was stored')
  const requestId = `${id.slice(0, 8)}-rrrr-4rrr-8rrr-rrrrrrrrrrrr`
  const route = encodeURIComponent('/orders/{id}/items/{id}')
  return [
    ['a trace by its id', `trace/${id}`],
    ['search: all', `search?${DAY}&limit=20`],
    ['search: service', `search?service=orders&${DAY}&limit=20`],
    ['search: service, 500 traces', `search?service=orders&${DAY}&limit=500`],
    ['search: a service that has none', `search?service=nothing&${DAY}&limit=20`],
    ['search: service, failed', `search?service=stock&status=error&${DAY}&limit=20`],
    ['search: route and duration', `search?route=${route}&minMs=1.9&${DAY}&limit=50`],
    ['search: duration that none has', `search?service=orders&minMs=60000&${DAY}&limit=50`],
    ['search: request id', `search?requestId=${requestId}&${DAY}`],
    ['search: attribute, many', `search?attribute=url.path%3D/orders/7/items/1007&${DAY}&limit=20`],
    [
      'search: attribute, one trace',
      `search?attribute=http.request.header.x-request-id%3D${requestId}&${DAY}&limit=20`,
    ],
    ['search: attribute, none', `search?attribute=nothing%3Dhas-it&${DAY}`],
    ['services', `services?${DAY}`],
    ['service map', `map?${DAY}`],
    ['heat map', `heatmap?${DAY}&service=orders`],
    ['clocks', `clocks?${DAY}`],
  ]
}
