/** One trace drawn as lines of text: a headline with the verdict, and a row a hop. Pure. */
import type { SpanNode } from '../aggregator/trace-tree.ts'
import { drawBar } from './bar.ts'
import { type Hop, hopsOf } from './hops.ts'
import { Look, type Paint, type Style } from './style.ts'
import { columnsOf, cutTo, padEnd, padStart, safeText, shownDuration } from './terminal-text.ts'
import { heaviestPhase, judge, type Verdict } from './verdict.ts'

export interface WaterfallOptions extends Style {
  /** Columns of the terminal. */
  readonly width: number
  /** Time of its own from which a hop is marked slow. */
  readonly slowUs: number
  /** Drawn before: spans came late. */
  readonly again?: boolean
}

/** Rows of one trace; what is beyond is counted. */
const MAX_ROWS = 40
const MAX_WIDTH = 140
const MAX_NAME = 24
const MAX_WHAT = 30
/** Under this width the column of methods and paths is left out. */
const NARROW = 80
/** Of the headline. */
const LEAST_WHAT = 12
const DURATION = 8
const LEAST_BAR = 4

interface Columns {
  readonly name: number
  readonly what: number
  readonly note: number
  readonly bar: number
}

/** The lines of a trace, without line ends. */
export function waterfall(roots: readonly SpanNode[], traceId: string, options: WaterfallOptions): string[] {
  return drawHops(hopsOf(roots, MAX_ROWS), traceId, options, countOf(roots))
}

function countOf(roots: readonly SpanNode[]): number {
  const walk = [...roots]
  for (const { children } of walk) for (const child of children) walk.push(child)
  return walk.length
}

function drawHops(hops: readonly Hop[], traceId: string, options: WaterfallOptions, count: number): string[] {
  const look = new Look(options)
  const width = Math.min(options.width, MAX_WIDTH)
  const verdict = judge(hops, options.slowUs)
  const hidden = onlyCaller(hops) ? 1 : 0
  const rows = hops.slice(hidden)
  const texts = rows.map((hop) => ({
    hop,
    name: nameOf(hop, hop.rails.slice(hidden), look),
    what: whatOf(hop, look),
    note: noteOf(hop, verdict, look),
  }))
  const columns = layout(texts, width)
  const totalUs = Math.max(...hops.map((hop) => hop.startUs + hop.durationUs), 0)
  const lines = texts.map(({ hop, name, what, note }) => {
    const alarm = paintOf(hop, verdict)
    const children = hops.filter(({ parent }) => parent === hop)
    return [
      ' ',
      padEnd(cutTo(name, columns.name, look.marks.cut), columns.name),
      ...(columns.what > 0 ? [padEnd(cutTo(what, columns.what, look.marks.cut), columns.what)] : []),
      statusOf(hop, look),
      drawBar(hop, children, totalUs, columns.bar, look, alarm),
      padStart(shownDuration(hop.durationUs, look.unicode), DURATION),
      look.paint(cutTo(note, columns.note, look.marks.cut), alarm, 'bold'),
    ]
      .join(' ')
      .trimEnd()
  })
  if (count > hops.length) lines.push(look.paint(`  ${look.marks.cut} ${count - hops.length} more spans`, 'dim'))
  const id = `${traceId.slice(0, 8)}${options.again === true ? ', again with late spans' : ''}`
  return [headline(rows, id, verdict, totalUs, look, width), ...lines]
}

/** A caller that sends no spans, such as curl with a traceparent, above everything else: not worth a row. */
function onlyCaller(hops: readonly Hop[]): boolean {
  const [first] = hops
  return first?.gap === true && hops.filter(({ parent }) => parent === first || parent === undefined).length === 2
}

function headline(
  rows: readonly Hop[],
  id: string,
  verdict: Verdict,
  totalUs: number,
  look: Look,
  width: number,
): string {
  const root = rows[0]
  const [mark, paint]: [string, Paint] =
    verdict.kind === 'good'
      ? [look.marks.good, 'green']
      : verdict.kind === 'slow'
        ? [look.marks.slow, 'yellow']
        : [look.marks.failed, verdict.coped === undefined ? 'red' : 'yellow']
  const status = root === undefined || root.status === 0 ? '' : ` ${look.marks.arrow} ${root.status}`
  const what = `${safeText(root?.what || '(no span)', look.unicode)}${status}`
  const took = shownDuration(totalUs, look.unicode)
  // Three spaces between the parts, mark and space in front; the verdict counts more than the path.
  const room = width - 2 - columnsOf(took) - columnsOf(id) - 6
  const says = cutTo(verdictText(verdict, look), Math.max(room - LEAST_WHAT - 3, 0), look.marks.cut)
  const shown = cutTo(what, Math.max(room - (says === '' ? 0 : columnsOf(says) + 3), 0), look.marks.cut)
  return [
    `${look.paint(mark, paint, 'bold')} ${look.paint(shown, 'bold')}`,
    look.paint(took, 'bold'),
    ...(says === '' ? [] : [look.paint(says, paint, 'bold')]),
    look.paint(id, 'dim'),
  ].join('   ')
}

/** Who is to blame, in words. */
function verdictText({ kind, culprit, coped }: Verdict, look: Look): string {
  if (culprit === undefined) return ''
  const name = safeText(culprit.service, look.unicode)
  if (kind === 'slow') {
    const phase = heaviestPhase(culprit)
    return `${name} is slow: ${shownDuration(culprit.ownUs, look.unicode)}${phase === undefined ? '' : `, mostly ${phase}`}`
  }
  const after = coped === undefined ? '' : `, ${safeText(coped.service, look.unicode)} coped`
  if (culprit.error === '') return `${name} ${culprit.status > 0 ? `answered ${culprit.status}` : 'failed'}${after}`
  const phase = culprit.errorPhase === '' ? '' : ` (${safeText(culprit.errorPhase, look.unicode)})`
  return `${name} failed: ${safeText(culprit.error, look.unicode)}${phase}${after}`
}

function nameOf(hop: Hop, rails: readonly boolean[], look: Look): string {
  const { pass, branch, last } = look.marks
  const above = rails.slice(0, -1).map((more) => (more ? pass : '  '))
  const own = rails.length === 0 ? '' : rails.at(-1) ? branch : last
  const text = hop.attempt > 0 ? `try ${hop.attempt}` : safeText(hop.service, look.unicode)
  return above.join('') + own + text
}

function whatOf(hop: Hop, look: Look): string {
  if (hop.gap) return '(sent no span)'
  return safeText(hop.what, look.unicode)
}

function noteOf(hop: Hop, { kind, culprit }: Verdict, look: Look): string {
  if (hop.failed) return `${look.marks.failed} ${safeText(hop.error, look.unicode)}`.trimEnd()
  if (kind === 'slow' && hop === culprit) return `${look.marks.slow} slow`
  return hop.retried ? 'tried again' : ''
}

function paintOf(hop: Hop, { kind, culprit }: Verdict): Paint | undefined {
  if (hop.failed) return 'red'
  return kind === 'slow' && hop === culprit ? 'yellow' : undefined
}

function statusOf({ status, failed, gap }: Hop, look: Look): string {
  if (status > 0) return look.paint(padStart(String(status), 3), failed ? 'red' : status < 400 ? 'green' : 'yellow')
  return look.paint(gap || !failed ? '   ' : 'err', failed ? 'red' : undefined)
}

function layout(texts: readonly { name: string; what: string; note: string }[], width: number): Columns {
  const widest = (pick: (text: (typeof texts)[number]) => string, most: number): number =>
    Math.min(most, Math.max(0, ...texts.map((text) => columnsOf(pick(text)))))
  const name = widest(({ name }) => name, Math.min(MAX_NAME, Math.floor(width / 4)))
  const what = width < NARROW ? 0 : widest(({ what }) => what, Math.min(MAX_WHAT, Math.floor(width / 5)))
  const note = widest(({ note }) => note, Math.min(MAX_NAME, Math.floor(width / 5)))
  // One space before each column, and one in front.
  const fixed = 2 + name + (what > 0 ? what + 1 : 0) + 4 + 1 + 1 + DURATION + (note > 0 ? note + 1 : 0)
  return { name, what, note, bar: Math.max(LEAST_BAR, width - fixed) }
}
