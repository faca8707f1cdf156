/** A real browser on a real aggregator. */
import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { type RunningAggregator, running } from '../aggregator/running.ts'

const CHROMIUM = '/usr/bin/chromium'
export const skip = existsSync(CHROMIUM) ? false : 'chromium is not installed'

export interface Ui {
  readonly aggregator: RunningAggregator
  readonly browser: Browser
  readonly origin: string
  /** A page that fails the test where a script of it fails or its policy is broken. */
  open(path: string, options?: BrowserContextOptions): Promise<Page>
}

/** How long the browser waits for the next test of this process. */
const IDLE_MS = 1000
let launched: Promise<Browser> | undefined
let tests = 0
let idle: NodeJS.Timeout | undefined

/** The browser of this process: to start it costs more than most tests do. Each page has a context of its own. */
async function useBrowser(): Promise<Browser> {
  clearTimeout(idle)
  tests++
  if (launched !== undefined && !(await launched).isConnected()) launched = undefined
  launched ??= chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  return launched
}

async function leaveBrowser(browser: Browser): Promise<void> {
  await Promise.all(browser.contexts().map((context) => context.close()))
  if (--tests > 0) return
  idle = setTimeout(() => {
    launched = undefined
    void browser.close()
  }, IDLE_MS)
}

/** `folder`: with what an earlier run left there. */
export async function startUi(t: TestContext, folder?: string): Promise<Ui> {
  const browser = await useBrowser()
  const aggregator = await running({}, folder)
  const faults: string[] = []
  const origin = `http://127.0.0.1:${aggregator.uiPort}`
  t.after(async () => {
    await leaveBrowser(browser)
    await aggregator.end()
    if (faults.length > 0) throw new Error(`the page failed: ${faults.join('\n')}`)
  })
  return {
    ...{ aggregator, browser, origin },
    open: async (path, options = {}) => {
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })
      const page = await context.newPage()
      page.setDefaultTimeout(20_000)
      page.on('pageerror', (error) => faults.push(error.stack ?? error.message))
      page.on('console', (message) => {
        if (message.type() === 'error' && !message.text().includes('status of 404')) faults.push(message.text())
      })
      await page.goto(origin + path)
      return page
    },
  }
}
