/**
 * The files of the page: modules that tsc made of `browser/`, one style sheet, and one HTML file for every view, since a
 * view's address is a path. Nothing is loaded from elsewhere, and the policy says so to the browser.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PAGE_HTML } from './page-html.ts'
import { STYLE_BASE } from './style-base.ts'
import { STYLE_DIAGNOSIS } from './style-diagnosis.ts'
import { STYLE_VIEWS } from './style-views.ts'

export interface PageFile {
  readonly contentType: string
  readonly body: Buffer
  readonly etag: string
}

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3.5" fill="#1f6feb"/>
<path d="M3 4.5h7M5.5 8H13M7.5 11.5h3.5" stroke="#fff" stroke-width="1.8" stroke-linecap="round"/></svg>`

/** First segments of the paths that are views. */
const VIEWS: ReadonlySet<string> = new Set([
  '',
  'live',
  'incidents',
  'search',
  'trace',
  'map',
  'latency',
  'idempotency',
  'clocks',
])

const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-cache',
  'content-security-policy': [
    ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
    ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
    ...["require-trusted-types-for 'script'", "trusted-types 'none'"],
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** Answers a GET or HEAD of a file of the page; false where there is none at this path. */
export function servePage(req: IncomingMessage, res: ServerResponse, path: string): boolean {
  const file = pageFile(path)
  if (file === undefined) return false
  const { etag, contentType, body } = file
  const known = req.headers['if-none-match']?.split(/\s*,\s*/).includes(etag) === true
  if (known) {
    res.writeHead(304, { ...HEADERS, etag }).end()
    return true
  }
  res.writeHead(200, { ...HEADERS, etag, 'content-type': contentType, 'content-length': body.length })
  res.end(req.method === 'HEAD' ? undefined : body)
  return true
}

/** The file at a path; undefined where there is none. */
export function pageFile(path: string): PageFile | undefined {
  files ??= readFiles()
  return files.get(VIEWS.has(path.split('/', 2)[1] ?? '') ? '/' : path)
}

let files: ReadonlyMap<string, PageFile> | undefined

/** Read once, at the first request. */
function readFiles(): Map<string, PageFile> {
  const folder = new URL('./browser/', import.meta.url)
  const modules = readdirSync(folder).filter((name) => name.endsWith('.js'))
  const scripts = modules.map((name): [string, PageFile] => [
    `/ui/${name}`,
    fileOf('text/javascript; charset=utf-8', readFileSync(new URL(name, folder))),
  ])
  const style = fileOf('text/css; charset=utf-8', Buffer.from(STYLE_BASE + STYLE_VIEWS + STYLE_DIAGNOSIS))
  const preloads = modules.map((name) => `<link rel="modulepreload" href="/ui/${name}">`).join('\n')
  const html = fileOf('text/html; charset=utf-8', Buffer.from(PAGE_HTML.replace('<!--modules-->', preloads)))
  const icon = fileOf('image/svg+xml', Buffer.from(ICON))
  return new Map([...scripts, ['/ui/style.css', style], ['/ui/icon.svg', icon], ['/favicon.ico', icon], ['/', html]])
}

function fileOf(contentType: string, body: Buffer): PageFile {
  return { contentType, body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }
}
