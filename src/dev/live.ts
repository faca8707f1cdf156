/** Traces drawn as they go quiet, at a bounded rate: a load test must not bury the terminal, nor fill a slow pipe. */

import { traceTree } from '../aggregator/trace-tree.ts'
import type { Trace } from '../aggregator/traces.ts'
import { nowUs } from '../core/clock.ts'
import { Look, legend, type Style } from './style.ts'
import { waterfall } from './waterfall.ts'

/** A terminal, a pipe or a file. */
export interface Screen {
  /** Columns of a terminal, undefined elsewhere. */
  readonly columns?: number
  /** More is waiting to be written than is good. */
  readonly writableNeedDrain: boolean
  write(text: string): unknown
}

export interface LiveOptions {
  readonly screen: Screen
  readonly style: Style
  /** Time of its own from which a hop is marked slow; 100 ms by default. */
  readonly slowUs?: number
  /** Traces drawn a second, over a longer time; 4 by default. */
  readonly perSecond?: number
}

/** Width where there is no terminal. */
const PLAIN_WIDTH = 110
/** Traces that may be drawn at once after silence. Failed ones may use all of it, good ones half. */
const BURST = 12
const TELL_SKIPPED_MS = 1000

export class Live {
  readonly #screen: Screen
  readonly #style: Style
  readonly #slowUs: number
  readonly #perSecond: number
  #budget = BURST
  #budgetAtUs = nowUs()
  #skipped = 0
  #telling: NodeJS.Timeout | undefined = undefined
  #begun = false

  constructor({ screen, style, slowUs = 100_000, perSecond = 4 }: LiveOptions) {
    this.#screen = screen
    this.#style = style
    this.#slowUs = slowUs
    this.#perSecond = perSecond
  }

  /** Draw a trace, or count it where there are too many. */
  show(trace: Trace): void {
    const failed = [...trace.spans.values()].some(({ status }) => status.code === 'error')
    if (this.#screen.writableNeedDrain || !this.#spend(failed)) {
      this.#skipped++
      this.#telling ??= setTimeout(() => this.#tellSkipped(), TELL_SKIPPED_MS).unref()
      return
    }
    const { color, unicode } = this.#style
    const width = this.#screen.columns ?? PLAIN_WIDTH
    const roots = traceTree(trace.spans.values())
    const again = trace.handedOn > 0
    const lines = waterfall(roots, trace.traceId, { color, unicode, width, slowUs: this.#slowUs, again })
    if (!this.#begun) lines.unshift(...legend(new Look(this.#style), width), '')
    this.#begun = true
    this.#screen.write(`${lines.join('\n')}\n\n`)
  }

  close(): void {
    clearTimeout(this.#telling)
  }

  #spend(failed: boolean): boolean {
    const now = nowUs()
    this.#budget = Math.min(BURST, this.#budget + ((now - this.#budgetAtUs) / 1e6) * this.#perSecond)
    this.#budgetAtUs = now
    if (this.#budget < (failed ? 1 : BURST / 2)) return false
    this.#budget--
    return true
  }

  #tellSkipped(): void {
    this.#telling = undefined
    const calls = this.#skipped === 1 ? 'call' : 'calls'
    const text = `${this.#skipped} more ${calls}, not drawn: too many at once`
    this.#skipped = 0
    this.#screen.write(`${new Look(this.#style).paint(text, 'dim')}\n\n`)
  }
}
