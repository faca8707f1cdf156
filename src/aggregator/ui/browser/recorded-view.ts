/** What the flight recorder of a proxy had of a hop: why it was written out, header fields, first bytes of bodies. */
import type { Plain, PlainMap } from './api-types.ts'
import { h } from './dom.ts'

const REASON = 'hopscope.recorded.reason'
const HEADER = /^http\.(request|response)\.header\.(.+)$/
const BODY = /^hopscope\.(request|response)\.body$/

const WHY: Readonly<Record<string, string>> = {
  failed: 'it failed',
  slow: 'it was slow',
  asked: 'it failed or was slow at another hop of this trace',
}

/** Attributes that are shown here, and those that are left for the list of all. */
export function parted(attributes: PlainMap): { readonly recorded: PlainMap; readonly rest: PlainMap } {
  if (attributes[REASON] === undefined) return { recorded: {}, rest: attributes }
  const isOurs = (key: string): boolean =>
    /^hopscope\.(recorded|request\.body|response\.body)\b/.test(key) || HEADER.test(key)
  const entries = Object.entries(attributes)
  return {
    recorded: Object.fromEntries(entries.filter(([key]) => isOurs(key))),
    rest: Object.fromEntries(entries.filter(([key]) => !isOurs(key))),
  }
}

/** Nothing where the hop was not recorded. */
export function recordedParts(recorded: PlainMap): HTMLElement[] {
  const reason = recorded[REASON]
  if (reason === undefined) return []
  const sampled =
    recorded['hopscope.recorded'] === true ? 'The trace was not sampled: written out' : 'Written out in full'
  return [
    h('p', 'dim', `${sampled}, since ${WHY[String(reason)] ?? String(reason)}.`),
    ...messageParts(recorded, 'request'),
    ...messageParts(recorded, 'response'),
  ]
}

function messageParts(recorded: PlainMap, side: 'request' | 'response'): HTMLElement[] {
  const fields = Object.entries(recorded).flatMap(([key, value]): [string, string][] => {
    const found = HEADER.exec(key)
    return found?.[1] === side ? valuesOf(value).map((one) => [found[2]!, one]) : []
  })
  const body = Object.entries(recorded).find(([key]) => BODY.exec(key)?.[1] === side)?.[1]
  const omitted = recorded[`hopscope.${side}.body.omitted`]
  const kept = recorded[`hopscope.${side}.body.kept_bytes`]
  if (fields.length === 0 && body === undefined && omitted === undefined) return []
  return [
    h('h4', null, side),
    h('dl', 'attrs', ...fields.flatMap(([name, value]) => [h('dt', null, name), fieldValue(value)])),
    ...(omitted === undefined ? [] : [h('p', 'dim', `the body is not shown: ${String(omitted)}`)]),
    ...(body === undefined ? [] : [h('pre', 'body', `${String(body)}${kept === undefined ? '' : '…'}`)]),
  ]
}

const fieldValue = (value: string): HTMLElement => h('dd', null, h('span', value === 'REDACTED' ? 'dim' : null, value))

const valuesOf = (value: Plain): string[] => (Array.isArray(value) ? value.map(String) : [String(value)])
