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

/** `folder`: with what an earlier run left there. */
export async function startUi(t: TestContext, folder?: string): Promise<Ui> {
  const aggregator = await running({}, folder)
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  const faults: string[] = []
  const origin = `http://127.0.0.1:${aggregator.uiPort}`
  t.after(async () => {
    await browser.close()
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
