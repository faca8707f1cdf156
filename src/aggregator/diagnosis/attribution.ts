/**
 * Where the time of a trace went and where its failures began, hop by hop. The same rules serve a single trace and the
 * stream of all: a hop is given only the time in which nothing beneath it ran, and a failure only where no failure
 * beneath explains it. Pure; works on indices, so that it does not matter what names are.
 */

/** A span as far as blame goes. Times are microseconds by any common clock; parents stand before their children. */
export interface Call {
  /** Index of its parent, -1 at a root. */
  readonly parent: number
  /** It is the caller's side of a call (CLIENT, PRODUCER). */
  readonly isCall: boolean
  readonly service: string | number
  /** The address that it calls, or that it was called by; '' or 0 where not known. That of its exchange for a try. */
  readonly peer: string | number
  /** One of several tries of the call above it. */
  readonly isTry?: boolean
  /** What it asked for, or was asked for. */
  readonly route: string | number
  readonly startUs: number
  readonly durationUs: number
  /** A proxy of ours says so. */
  readonly ours: boolean
  readonly failed: boolean
  /** It failed because it, or who waited for it, gave up. */
  readonly timedOut: boolean
  /** Its own caller went away: a consequence, not a cause. */
  readonly abandoned: boolean
}

export interface Share {
  /** Time in which nothing beneath it ran. */
  ownUs: number
  /** Its failure began here. */
  origin: boolean
  /** Its failure did not reach its caller: a retry or a fallback hid it. */
  hidden: boolean
  /** It called, and no span of the other side came. */
  unseen: boolean
  /** Index of the hop that a timeout here waited for; -1 where it waited for none. */
  waitedFor: number
}

/** A hop that ran for so much of the time of a caller that gave up is what the caller waited for. */
const MOST = 0.6

/** `isOtherSide`: whether a span below a call is of the one called; all spans of other services are by default. */
export function attribute(calls: readonly Call[], isOtherSide: OtherSide = isOther): Share[] {
  const children = childrenOf(calls)
  const shares = calls.map((call, i) => ({
    ownUs: exclusive(calls, i, children[i]!),
    origin: false,
    hidden: false,
    unseen: call.isCall && !children[i]!.some((child) => isOtherSide(call, calls[child]!)),
    waitedFor: -1,
  }))
  calls.forEach(({ isTry, parent }, i) => {
    if (isTry === true && parent >= 0 && !shares[i]!.unseen) shares[parent]!.unseen = false
  })
  if (calls.some(({ failed }) => failed)) judgeAll(calls, children, shares)
  return shares
}

/** Each hop once up and once down: traces can be thousands deep, and a call can have thousands of tries. */
function judgeAll(calls: readonly Call[], children: readonly number[][], shares: Share[]): void {
  const good = children.map((below) => lastGood(calls, below))
  const hidden = hiddenOnes(calls, good)
  const slowest = slowestBelow(calls, children)
  for (let i = 0; i < calls.length; i++) judge({ calls, children, good, hidden, slowest }, shares, i)
}

interface Judging {
  readonly calls: readonly Call[]
  readonly children: readonly number[][]
  /** For each hop, when the last call that went well to the same began, of those beneath it. */
  readonly good: readonly Good[]
  readonly hidden: readonly boolean[]
  readonly slowest: readonly number[]
}

function judge({ calls, children, good, hidden, slowest }: Judging, shares: Share[], i: number): void {
  const { failed, timedOut, abandoned, durationUs } = calls[i]!
  if (!failed || abandoned) return
  const below = children[i]!
  const explained = below.some((child) => explains(calls, child) && !isMadeGood(calls[child]!, good[i]!))
  if (explained) return
  const share = shares[i]!
  share.origin = true
  // Not all say that it was they who gave up; the callee knows that its client left.
  const gaveUp = below.some((child) => calls[child]!.abandoned && calls[child]!.durationUs > durationUs * MOST)
  if (timedOut || gaveUp) share.waitedFor = slowest[i]!
  share.hidden = hidden[i]!
}

/** Whether failed ancestors do not carry a failure on to the root. */
function hiddenOnes(calls: readonly Call[], good: readonly Good[]): boolean[] {
  const hidden: boolean[] = []
  for (const call of calls) {
    const { parent } = call
    hidden.push(parent >= 0 && (!calls[parent]!.failed || isMadeGood(call, good[parent]!) || hidden[parent]!))
  }
  return hidden
}

const explains = (calls: readonly Call[], child: number): boolean => calls[child]!.failed && !calls[child]!.abandoned

/** Starts by what is called. */
type Good = ReadonlyMap<string, number>

const NONE_GOOD: Good = new Map()
const calledBy = ({ service, peer, route, isCall }: Call): string => `${isCall}\n${service}\n${peer}\n${route}`

function lastGood(calls: readonly Call[], below: readonly number[]): Good {
  // Nothing could be made good by it.
  if (below.length < 2 || !below.some((child) => calls[child]!.failed)) return NONE_GOOD
  const last = new Map<string, number>()
  for (const child of below) {
    const call = calls[child]!
    if (call.failed) continue
    const called = calledBy(call)
    if (call.startUs > (last.get(called) ?? Number.NEGATIVE_INFINITY)) last.set(called, call.startUs)
  }
  return last
}

/** A later call of the same kind went well (a rollback is none): what failed before does not explain the failure of both's caller. */
function isMadeGood(call: Call, good: Good): boolean {
  return good.size > 0 && (good.get(calledBy(call)) ?? Number.NEGATIVE_INFINITY) > call.startUs
}

/** For each hop, down along what took most of the time; -1 where nothing did. */
function slowestBelow(calls: readonly Call[], children: readonly number[][]): number[] {
  const slowest: number[] = new Array(calls.length).fill(-1)
  for (let at = calls.length - 1; at >= 0; at--) {
    let next = -1
    for (const child of children[at]!) {
      if (next < 0 || calls[child]!.durationUs > calls[next]!.durationUs) next = child
    }
    if (next < 0 || calls[next]!.durationUs < calls[at]!.durationUs * MOST) continue
    slowest[at] = slowest[next]! < 0 ? next : slowest[next]!
  }
  return slowest
}

export type OtherSide = (call: Call, below: Call) => boolean

/** The span of the callee, and not another try of the same exchange. */
export const isOther: OtherSide = (call, below) => !below.isCall || below.service !== call.service

function childrenOf(calls: readonly Call[]): number[][] {
  const children: number[][] = calls.map(() => [])
  for (let i = 0; i < calls.length; i++) {
    const { parent } = calls[i]!
    if (parent >= 0) children[parent]!.push(i)
  }
  return children
}

function exclusive(calls: readonly Call[], i: number, below: readonly number[]): number {
  const { startUs, durationUs } = calls[i]!
  if (below.length === 0) return durationUs
  const endUs = startUs + durationUs
  const parts = below.map((child) => within(calls[child]!, startUs, endUs))
  if (parts.length > 1) parts.sort((a, b) => a.from - b.from)
  let covered = 0
  let upTo = startUs
  for (const { from, to } of parts) {
    const start = Math.max(from, upTo)
    if (to <= start) continue
    covered += to - start
    upTo = to
  }
  return Math.max(0, durationUs - covered)
}

/** A child lies within its parent, whatever their clocks say: it is moved, and cut only where it is longer. */
function within(child: Call, fromUs: number, toUs: number): { from: number; to: number } {
  const length = Math.min(child.durationUs, toUs - fromUs)
  const from = Math.min(Math.max(child.startUs, fromUs), toUs - length)
  return { from, to: from + length }
}
