/** The query API: paths to answers. Runs in the store thread; the HTTP server before it only carries. */
import { nowUs, wallUs } from '../../core/clock.ts'
import type { LookBack } from '../diagnosis/look-back.ts'
import type { WatchState } from '../diagnosis/watch.ts'
import { mergedLooks, mergedStates } from '../replicas/merged-incidents.ts'
import type { ApiRequest, ApiResponse } from '../store/protocol.ts'
import { clocks, heatmap, idempotency, map, services, status } from './aggregates.ts'
import { BadQuery, json, Parameters, type QueryContext, timeRange } from './context.ts'
import { jaegerLegacy } from './jaeger-legacy.ts'
import { jaegerV3 } from './jaeger-v3.ts'
import { tuples } from './rows.ts'
import { search, spans } from './search.ts'
import { span, trace } from './trace.ts'

/** Where the API of the page lives; changes that break it get a new path. */
export const PREFIX = '/api/hopscope/'

const DEFAULT_LOOK_BACK_MS = 300_000
const LONGEST_LOOK_BACK_NS = 3_660_000_000_000n

type Answering = (parameters: Parameters, context: QueryContext) => ApiResponse | Promise<ApiResponse>

const ROUTES: Readonly<Record<string, Answering>> = {
  search,
  spans,
  services,
  map,
  heatmap,
  idempotency,
  clocks,
  status,
  diagnosis,
  incidents: async (parameters, { spans }) => {
    parameters.only([])
    const states = tuples<[string]>(await spans.rows({ of: 'incidents', fromNs: 0n, toNs: 0n }))
    return json(mergedStates(states.map(([state]) => JSON.parse(state) as WatchState)))
  },
}

/** `diagnosis?from=&to=`: what was wrong between two times, whether somebody was told then or not. */
async function diagnosis(parameters: Parameters, { spans, nowMs }: QueryContext): Promise<ApiResponse> {
  parameters.only(['from', 'to', 'lastMs'])
  const range = timeRange(parameters, nowMs, DEFAULT_LOOK_BACK_MS)
  if (range.toNs - range.fromNs > LONGEST_LOOK_BACK_NS) throw new BadQuery('at most an hour is diagnosed in one go')
  const answers = tuples<[string]>(await spans.rows({ of: 'diagnosis', ...range }))
  return json(mergedLooks(answers.map(([one]) => JSON.parse(one) as LookBack)))
}

export async function answerApi(request: ApiRequest, given: Omit<QueryContext, 'nowMs'>): Promise<ApiResponse> {
  const context = { ...given, nowMs: wallUs(nowUs()) / 1000 }
  const url = new URL(request.url, 'http://aggregator')
  const isJaeger = !url.pathname.startsWith(PREFIX)
  try {
    const parameters = new Parameters(url.searchParams)
    if (url.pathname.startsWith('/api/v3/')) return await jaegerV3(url.pathname, parameters, context)
    if (isJaeger) return await jaegerLegacy(url.pathname, parameters, context)
    return await own(url.pathname.slice(PREFIX.length), parameters, context)
  } catch (error) {
    if (!(error instanceof BadQuery)) throw error
    return refusal(error, url.pathname)
  }
}

/** The answer with the names of replicas that had no part in it; what was not found may then be with them. */
export function withMissing(answer: ApiResponse, missing: readonly string[] | undefined, path: string): ApiResponse {
  if (missing === undefined) return answer
  const isPartial = missing.length > 0
  const status = isPartial && answer.status === 404 ? 503 : answer.status
  const told = isPartial ? { ...answer, status, missing } : answer
  if (!path.startsWith(PREFIX) || typeof answer.body !== 'string') return told
  // All answers of ours are objects, none of them empty.
  return { ...told, body: `${answer.body.slice(0, -1)},"missing":${JSON.stringify(missing)}}` }
}

async function own(path: string, parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  const answering = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined
  if (answering !== undefined) return answering(parameters, context)
  const [, id, spanId] = /^trace\/([0-9a-fA-F]+)(?:\/span\/([0-9a-fA-F]{16}))?$/.exec(path) ?? []
  if (id === undefined) throw new BadQuery(`nothing is at ${PREFIX}${path}`, 404)
  return spanId === undefined ? trace(id, parameters, context) : span(id, spanId, context)
}

/** Each API has its own form of an error. */
function refusal({ message, status }: BadQuery, path: string): ApiResponse {
  if (path.startsWith('/api/v3/')) return json({ error: { httpCode: status, message } }, status)
  if (path.startsWith(PREFIX)) return json({ error: message }, status)
  return json({ data: null, total: 0, limit: 0, offset: 0, errors: [{ code: status, msg: message }] }, status)
}
