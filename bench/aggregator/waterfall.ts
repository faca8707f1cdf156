/** How long `hopscope dev --demo` takes from its start to a trace that can be read, in a real browser. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import { hasEnded, logTail, type Started, start, stop } from '../system/processes.ts'
import { unpin } from './aggregator-process.ts'

const CHROMIUM = '/usr/bin/chromium'
const READY_MS = 30_000

/** Milliseconds. */
export interface WaterfallTimes {
  /** From the start of the process to the line with the page's address. */
  readonly addressMs: number
  /** From the start of the process to the first trace on the page, the page being open as soon as there is one. */
  readonly firstTraceMs: number
  /** From opening a trace's address, with nothing cached, to the rows of its waterfall. */
  readonly waterfallMs: number
}

/** Undefined where there is no browser. */
export async function waterfallTimes(): Promise<WaterfallTimes | undefined> {
  if (!existsSync(CHROMIUM)) return undefined
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  const main = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
  const begun = performance.now()
  const entry = start(`dev-${Math.round(begun)}`, 'proxy', process.execPath, [main, 'dev', '--demo', '--port', '0'])
  unpin(entry)
  try {
    const origin = await addressOf(entry)
    const addressMs = performance.now() - begun
    const page = await (await browser.newContext()).newPage()
    await page.goto(`${origin}live`)
    await page.locator('a[href*="/trace/"], .row').first().waitFor({ timeout: READY_MS })
    const firstTraceMs = performance.now() - begun
    return { addressMs, firstTraceMs, waterfallMs: await openTrace(browser, origin) }
  } finally {
    await browser.close()
    await stop(entry)
  }
}

async function openTrace(browser: Browser, origin: string): Promise<number> {
  const answer = await fetch(`${origin}api/hopscope/search?limit=1`)
  const { traces } = (await answer.json()) as { traces: { traceId: string }[] }
  const page = await (await browser.newContext()).newPage()
  const begun = performance.now()
  await page.goto(`${origin}trace/${traces[0]!.traceId}`)
  await page.locator('.row .part').first().waitFor({ timeout: READY_MS })
  return performance.now() - begun
}

/** The page's address, from what the process prints. */
async function addressOf(entry: Started): Promise<string> {
  const end = performance.now() + READY_MS
  while (performance.now() < end && !hasEnded(entry)) {
    const found = /page with all traces: (http:\S+)/.exec(readFileSync(entry.log, 'utf8'))?.[1]
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`no page: ${logTail(entry)}`)
}
