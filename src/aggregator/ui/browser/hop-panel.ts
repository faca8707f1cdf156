/** All that is known of one hop: times, phases, clock, attributes, events and links. */
import { Asking, messageOf } from './api.ts'
import type { Clock, Hop, HopDetails, Plain, PlainMap, Trace } from './api-types.ts'
import { button, type Child, copyText, h } from './dom.ts'
import { clockTime, day, duration, hue, nsToMs, percent, whatOf } from './format.ts'
import { urlOf } from './location.ts'
import { parted, recordedParts } from './recorded-view.ts'
import { partsOf } from './trace-model.ts'

export class HopPanel {
  readonly element = h('aside', { class: 'panel', attrs: { 'aria-label': 'Span', tabindex: -1 } })
  readonly #asking = new Asking()
  readonly #trace: Trace
  readonly #onClose: () => void

  constructor(trace: Trace, onClose: () => void) {
    this.#trace = trace
    this.#onClose = onClose
  }

  show(hop: Hop): void {
    const details = h('div', null)
    this.element.replaceChildren(
      h(
        'header',
        { class: 'panel-head', css: { '--hue': hue(hop.service) } },
        h('div', null, h('span', 'dot'), h('b', null, hop.gap ? 'missing span' : hop.service)),
        button('×', 'icon', this.#onClose, 'close (Escape)'),
        h('p', 'panel-what', hop.gap ? hop.spanId : whatOf(hop)),
      ),
      ...this.#findings(hop),
      this.#facts(hop),
      ...phasesOf(hop),
      details,
    )
    this.element.scrollTop = 0
    if (hop.gap) return
    if (hop.attributes !== undefined) details.replaceChildren(...this.#details(hop))
    else this.#fetch(hop, details)
  }

  close(): void {
    this.#asking.stop()
  }

  #fetch(hop: Hop, into: HTMLElement): void {
    into.replaceChildren(h('p', 'dim', 'attributes…'))
    this.#asking.ask<HopDetails>(`trace/${this.#trace.traceId}/span/${hop.spanId}`, new URLSearchParams()).then(
      (answer) => answer !== undefined && into.replaceChildren(...this.#details(answer)),
      (error: unknown) => into.replaceChildren(h('p', 'error', messageOf(error))),
    )
  }

  #findings(hop: Hop): HTMLElement[] {
    const own = this.#trace.findings.filter(({ spanId }) => spanId === hop.spanId)
    return own.length === 0 ? [] : [h('div', 'notes', ...own.map(({ text }) => h('p', null, text)))]
  }

  #facts(hop: Hop): HTMLElement {
    const ms = nsToMs(hop.rawStartNs)
    const clock = this.#trace.clocks.find(({ host }) => host === hop.host)
    const rows: [string, Child][] = [
      ['start', `${duration(hop.startUs)} into the trace`],
      ['duration', duration(hop.durationUs)],
      [
        'own time',
        `${duration(hop.exclusiveUs)} (${percent(hop.exclusiveUs, hop.durationUs)}) without a child running`,
      ],
    ]
    if (hop.edgeUs !== null) rows.push(['edge', `${duration(hop.edgeUs)} of network and kernels before it`])
    if (hop.gap) return table(rows)
    if (hop.failed || hop.error !== '') {
      rows.push(['error', h('span', 'bad', `${hop.error || 'failed'}${hop.errorPhase && ` in ${hop.errorPhase}`}`)])
    }
    if (hop.http > 0) rows.push(['status', h('span', `http s${Math.floor(hop.http / 100)}`, hop.http)])
    rows.push(
      ['kind', [hop.kind, hop.direction].filter((text) => text !== '').join(', ')],
      ...(hop.peer === '' ? [] : [['peer', hop.peer] as [string, Child]]),
      ['host', hop.host],
      ['clock', clockText(hop, clock)],
      ['by its clock', `${day(ms)} ${clockTime(ms)}`],
      ['span id', mono(hop.spanId)],
    )
    return table(rows)
  }

  #details(hop: HopDetails): HTMLElement[] {
    const { attributes = {}, resource = {}, events = [], links = [], scope, statusMessage = '' } = hop
    const { recorded, rest } = parted(attributes)
    const parts = [section('Attributes', this.#attributes(rest, true))]
    const shown = recordedParts(recorded)
    if (shown.length > 0) parts.unshift(section('Recorded', h('div', 'recorded', ...shown)))
    if (statusMessage !== '') parts.unshift(h('p', 'bad', statusMessage))
    if (events.length > 0) parts.push(section('Events', h('div', null, ...events.map((one) => this.#event(one)))))
    if (links.length > 0) parts.push(section('Links', h('ul', 'links', ...links.map((link) => this.#link(link)))))
    parts.push(section('Resource', this.#attributes(resource, true)))
    if (scope !== undefined && scope.name !== '') parts.push(h('p', 'dim', `scope ${scope.name} ${scope.version}`))
    return parts
  }

  #attributes(attributes: PlainMap, searchable: boolean): HTMLElement {
    const entries = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1))
    if (entries.length === 0) return h('p', 'dim', 'none')
    return h(
      'dl',
      'attrs',
      ...entries.flatMap(([key, value]) => {
        const text = textOf(value)
        // A key with `=` cannot be asked for.
        const simple =
          searchable &&
          !key.includes('=') &&
          (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
        return [
          h('dt', null, key),
          h(
            'dd',
            null,
            h('span', null, text),
            simple &&
              h(
                'a',
                {
                  class: 'find',
                  attrs: {
                    href: urlOf('/search', { attribute: `${key}=${text}` }),
                    'aria-label': `traces with ${key}`,
                    title: `traces with ${key}=${text}`,
                  },
                },
                '⌕',
              ),
          ),
        ]
      }),
    )
  }

  #event({ timeNs, name, attributes }: { timeNs: string; name: string; attributes: PlainMap }): HTMLElement {
    return h(
      'div',
      'event',
      h('p', null, h('b', null, name), ' ', h('span', 'dim', clockTime(nsToMs(timeNs)))),
      Object.keys(attributes).length > 0 && this.#attributes(attributes, false),
    )
  }

  #link({ traceId, spanId, attributes }: { traceId: string; spanId: string; attributes: PlainMap }): HTMLElement {
    const where = traceId === this.#trace.traceId ? 'in this trace' : 'another trace'
    return h(
      'li',
      null,
      h(
        'a',
        { attrs: { href: urlOf(`/trace/${traceId}`, { span: spanId }) } },
        mono(`${traceId.slice(0, 16)}…`),
        ` ${where}`,
      ),
      Object.keys(attributes).length > 0 && this.#attributes(attributes, false),
    )
  }
}

function clockText(hop: Hop, clock: Clock | undefined): string {
  if (clock === undefined || clock.source === 'unknown') return 'never compared with the others: as sent'
  if (clock.source === 'reference') return 'the reference'
  const known = `${duration(clock.offsetUs)} ± ${duration(clock.uncertaintyUs)}, from ${clock.samples} hop${clock.samples === 1 ? '' : 's'}`
  return hop.shiftUs === 0 ? `as sent (off by ${known})` : `corrected by ${known}`
}

function phasesOf(hop: Hop): HTMLElement[] {
  if (hop.phases.length === 0) return []
  const parts = partsOf(hop)
  const rows = section(
    'Phases',
    h(
      'table',
      'phases',
      ...parts.map(({ kind, us }) =>
        h(
          'tr',
          null,
          h('td', null, h('i', `swatch p-${kind}`), kind === 'self' ? "proxy's own" : kind),
          h('td', 'num', duration(us)),
          h('td', null, h('i', { class: `meter p-${kind}`, css: { width: `${(us / hop.durationUs) * 100}%` } })),
        ),
      ),
    ),
  )
  return [rows]
}

function section(title: string, body: HTMLElement): HTMLElement {
  return h('section', null, h('h3', null, title), body)
}

function table(rows: readonly [string, Child][]): HTMLElement {
  return h('dl', 'facts', ...rows.flatMap(([name, value]) => [h('dt', null, name), h('dd', null, value)]))
}

const mono = (text: string): HTMLElement =>
  h('code', { attrs: { title: 'click to copy' }, on: { click: () => copyText(text, 'id') } }, text)

function textOf(value: Plain): string {
  return typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value)
}
