/** The frame of the page: navigation, views by address, keys. */
import { onMissing } from './api.ts'
import { byId, h, toast } from './dom.ts'
import { helpDialog } from './help.ts'
import { followLinks, go, onPlace, type Place, place } from './location.ts'
import type { View } from './view.ts'
import { ClocksView } from './view-clocks.ts'
import { IdempotencyView } from './view-idempotency.ts'
import { IncidentsView } from './view-incidents.ts'
import { LatencyView } from './view-latency.ts'
import { LiveView } from './view-live.ts'
import { MapView } from './view-map.ts'
import { SearchView } from './view-search.ts'
import { TraceView } from './view-trace.ts'

interface Entry {
  readonly title: string
  /** Second key after `g`. */
  readonly key: string
  readonly make: () => View
}

const VIEWS: Readonly<Record<string, Entry>> = {
  live: { title: 'Live', key: 'l', make: () => new LiveView() },
  incidents: { title: 'Incidents', key: 'n', make: () => new IncidentsView() },
  search: { title: 'Search', key: 's', make: () => new SearchView() },
  map: { title: 'Service map', key: 'm', make: () => new MapView() },
  latency: { title: 'Latency', key: 'h', make: () => new LatencyView() },
  idempotency: { title: 'Idempotency', key: 'i', make: () => new IdempotencyView() },
  clocks: { title: 'Clocks', key: 'c', make: () => new ClocksView() },
}
const TRACE: Entry = { title: 'Trace', key: '', make: () => new TraceView() }
const TRACE_ID = /^[0-9a-f]{16,32}$/i
/** Time for the second key. */
const CHORD_MS = 1200

let current: { readonly name: string; readonly view: View } | undefined
let chordUntil = 0
const help = helpDialog(Object.values(VIEWS).map(({ title, key }) => [`g ${key}`, title]))
const links = new Map<string, HTMLAnchorElement>()
const jump = h('input', {
  class: 'jump',
  attrs: {
    type: 'search',
    placeholder: 'trace id or request id',
    'aria-label': 'Go to a trace id or request id',
    spellcheck: 'false',
  },
})

/** What is shown lacks the part of some aggregators of the fleet. */
const partial = h('span', { class: 'warn-text', attrs: { role: 'status' } })

function start(): void {
  onMissing((missing) => {
    const text = missing.length === 0 ? '' : `incomplete: no answer from ${missing.join(', ')}`
    if (partial.textContent !== text) partial.textContent = text
  })
  for (const [name, { title, key }] of Object.entries(VIEWS)) {
    links.set(name, h('a', { attrs: { href: `/${name}`, title: `g ${key}` } }, title))
  }
  const form = h('form', { attrs: { role: 'search' }, on: { submit: jumpTo } }, jump)
  byId('top').append(
    h('a', { class: 'brand', attrs: { href: '/live', 'aria-label': 'Hopscope, live' } }, 'Hopscope'),
    h('nav', { attrs: { 'aria-label': 'Views' } }, ...links.values()),
    partial,
    form,
    h(
      'button',
      {
        class: 'icon',
        attrs: { type: 'button', 'aria-label': 'Help (?)', title: 'help (?)' },
        on: { click: () => help.showModal() },
      },
      '?',
    ),
  )
  document.body.append(help)
  followLinks()
  onPlace(show)
  document.addEventListener('keydown', onKey)
  show()
}

function show(): void {
  const now: Place = place()
  const name = now.view === '' ? 'live' : now.view
  const entry = name === 'trace' ? TRACE : VIEWS[name]
  if (entry === undefined) {
    go('/live')
    return
  }
  for (const [of, link] of links) {
    if (of === name) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  if (current?.name === name) {
    current.view.show(now)
    return
  }
  current?.view.close?.()
  const view = entry.make()
  current = { name, view }
  document.title = `${entry.title} · Hopscope`
  byId('view').replaceChildren(view.element)
  view.show(now)
  view.focus?.()
}

function jumpTo(event: Event): void {
  event.preventDefault()
  const text = jump.value.trim()
  if (text === '') return
  jump.value = ''
  go(TRACE_ID.test(text) ? `/trace/${text.toLowerCase()}` : `/search?${new URLSearchParams({ requestId: text })}`)
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  const isButton = target instanceof HTMLInputElement && ['checkbox', 'radio', 'button'].includes(target.type)
  return !isButton && target.matches('input, select, textarea')
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || help.open) return
  if (isTyping(event.target)) {
    if (event.key === 'Escape') current?.view.focus?.()
    return
  }
  if (handled(event)) event.preventDefault()
}

function handled(event: KeyboardEvent): boolean {
  const chord = performance.now() < chordUntil
  chordUntil = 0
  if (chord) {
    const found = Object.entries(VIEWS).find(([, { key }]) => key === event.key)
    if (found !== undefined) go(`/${found[0]}`)
    return true
  }
  if (current?.view.key?.(event) === true) return true
  if (event.key === 'g') chordUntil = performance.now() + CHORD_MS
  else if (event.key === '?') help.showModal()
  else if (event.key === '/') search()
  else if (event.key === 'r' && current?.view.refresh !== undefined) {
    current.view.refresh()
    toast('refreshed')
  } else return false
  return true
}

/** The filters of the view, else those of the search. */
function search(): void {
  const own = (): HTMLElement | null => byId('view').querySelector<HTMLElement>('[data-search]')
  if (own() === null) go('/search')
  own()?.focus()
}

start()
