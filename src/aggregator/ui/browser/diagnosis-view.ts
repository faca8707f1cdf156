/** What is at fault, in words: for a trace, and for an incident. */
import type { Cause, TraceDiagnosis } from './api-diagnosis.ts'
import { button, h } from './dom.ts'
import { percent } from './format.ts'

const VERDICTS: Readonly<Record<string, string>> = {
  failed: 'failed',
  recovered: 'recovered',
  slow: 'slow',
}

/** The diagnosis of a trace; nothing where there is nothing to say. */
export function traceDiagnosis(diagnosis: TraceDiagnosis | undefined, show: (spanId: string) => void): HTMLElement[] {
  if (diagnosis === undefined || VERDICTS[diagnosis.verdict] === undefined) return []
  const { verdict, summary, causes, note } = diagnosis
  const [first] = causes
  const head = h(
    'summary',
    null,
    h('b', 'verdict', VERDICTS[verdict]),
    ' ',
    first === undefined ? summary : button(summary, 'link', () => show(first.spanId)),
  )
  const items = causes.map((cause) =>
    causeItem(
      cause,
      button('show the hop', 'link', () => show(cause.spanId)),
    ),
  )
  return [
    h(
      'details',
      { class: `diagnosis ${verdict}`, attrs: { open: verdict !== 'recovered', 'aria-label': 'Diagnosis' } },
      head,
      h('ol', null, ...items),
      note !== '' && h('p', 'dim', note),
    ),
  ]
}

/** A cause with its evidence and what to check. */
export function causeItem(
  { diagnosis, domain, text, evidence, check, weight }: Cause,
  link?: HTMLElement,
): HTMLElement {
  return h(
    'li',
    'cause',
    h('b', null, text),
    ' ',
    h('span', { class: 'tag', attrs: { title: `hopscope explain ${diagnosis}` } }, `${domain} · ${diagnosis}`),
    ' ',
    h('span', { class: 'dim', attrs: { title: 'how much of the symptom it explains' } }, percent(weight, 1)),
    link !== undefined && ' ',
    link,
    h('ul', null, ...evidence.map((line) => h('li', null, line)), h('li', 'dim', `Check: ${check}`)),
  )
}
