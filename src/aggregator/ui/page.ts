/** Files of the page. */
import type { ApiResponse } from '../store/protocol.ts'

const PLACEHOLDER = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Hopscope</title>
<body><h1>Hopscope aggregator</h1><p>The query API is at <a href="/api/hopscope/status">/api/hopscope/</a>.</p></body></html>`

/** The file at a path; undefined where there is none. */
export function pageFile(path: string): ApiResponse | undefined {
  if (path !== '/') return undefined
  return { status: 200, contentType: 'text/html; charset=utf-8', body: PLACEHOLDER }
}
