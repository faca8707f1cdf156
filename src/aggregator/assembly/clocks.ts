/**
 * Clocks of hosts against each other. Each hop that was seen from both ends gives one sample: by the middles of the two
 * spans, wrong by at most half of what the caller's span is longer (the two ways may take differently long, no more).
 * Of many hops between two hosts the one with the least difference is the best: a minimum-delay filter, as NTP has.
 */

export interface ClockSample {
  readonly client: string
  readonly server: string
  /** Clock of the server less clock of the client, microseconds. */
  readonly offsetUs: number
  /** How far it can be off either way. */
  readonly uncertaintyUs: number
  /** Hops that it was chosen from. */
  readonly samples: number
}

/** One host's clock against that of the trace's reference. */
export interface HostClock {
  readonly host: string
  readonly offsetUs: number
  readonly uncertaintyUs: number
  readonly samples: number
  /** `reference`: times count from this clock. `unknown`: no hop to it was seen from both ends. */
  readonly source: 'reference' | 'hops' | 'trace' | 'unknown'
  /** Whether times of the host were shifted: not where 0 is as likely an offset as any. */
  readonly applied: boolean
}

interface Link {
  readonly to: string
  readonly sample: ClockSample
  readonly source: 'hops' | 'trace'
}

/** The least uncertain sample of each pair of hosts, whichever of the two called. */
export function bestByPair(samples: readonly ClockSample[]): Map<string, ClockSample> {
  const best = new Map<string, ClockSample>()
  for (const sample of samples) {
    const isForward = sample.client < sample.server
    const key = isForward ? `${sample.client}\0${sample.server}` : `${sample.server}\0${sample.client}`
    const known = best.get(key)
    const forward = isForward ? sample : turned(sample)
    const count = (known?.samples ?? 0) + sample.samples
    const better = known === undefined || forward.uncertaintyUs < known.uncertaintyUs ? forward : known
    best.set(key, { ...better, samples: count })
  }
  return best
}

function turned({ client, server, offsetUs, uncertaintyUs, samples }: ClockSample): ClockSample {
  return { client: server, server: client, offsetUs: -offsetUs, uncertaintyUs, samples }
}

/**
 * Clocks of all hosts against `reference`, along the surest way. `learnt` are samples of many hops around the time of
 * the trace, `own` those of the trace itself, which serve where nothing was learnt.
 */
export function hostClocks(
  hosts: Iterable<string>,
  reference: string,
  learnt: readonly ClockSample[],
  own: readonly ClockSample[],
): Map<string, HostClock> {
  const links = linksOf(bestByPair(learnt), bestByPair(own))
  const clocks = new Map<string, HostClock>([[reference, fixed(reference, 'reference')]])
  const open = new Set([reference])
  // Dijkstra over few hosts: the sum of uncertainties is what a way costs.
  while (open.size > 0) {
    const from = [...open].reduce((a, b) => (clocks.get(b)!.uncertaintyUs < clocks.get(a)!.uncertaintyUs ? b : a))
    open.delete(from)
    const at = clocks.get(from)!
    for (const { to, sample, source } of links.get(from) ?? []) {
      const uncertaintyUs = at.uncertaintyUs + sample.uncertaintyUs
      const known = clocks.get(to)
      if (known !== undefined && known.uncertaintyUs <= uncertaintyUs) continue
      const offsetUs = at.offsetUs + sample.offsetUs
      const applied = Math.abs(offsetUs) > uncertaintyUs
      clocks.set(to, { host: to, offsetUs, uncertaintyUs, samples: sample.samples, source, applied })
      open.add(to)
    }
  }
  for (const host of hosts) if (!clocks.has(host)) clocks.set(host, fixed(host, 'unknown'))
  return clocks
}

const fixed = (host: string, source: 'reference' | 'unknown'): HostClock => ({
  ...{ host, offsetUs: 0, uncertaintyUs: 0, samples: 0, source, applied: false },
})

function linksOf(learnt: Map<string, ClockSample>, own: Map<string, ClockSample>): Map<string, Link[]> {
  const links = new Map<string, Link[]>()
  const put = (sample: ClockSample, source: Link['source']): void => {
    links.set(sample.client, [...(links.get(sample.client) ?? []), { to: sample.server, sample, source }])
    links.set(sample.server, [
      ...(links.get(sample.server) ?? []),
      { to: sample.client, sample: turned(sample), source },
    ])
  }
  for (const sample of learnt.values()) put(sample, 'hops')
  for (const [pair, sample] of own) {
    const known = learnt.get(pair)
    if (known === undefined || sample.uncertaintyUs < known.uncertaintyUs) put(sample, 'trace')
  }
  return links
}

/** How an offset moves: the slope through the best samples of successive spans of time. */
export interface Drift {
  /** Microseconds a second, which is parts in a million. */
  readonly ppm: number
  /** Whether the movement is larger than what the samples can be off. */
  readonly certain: boolean
}

/** Undefined with fewer than three points. */
export function driftOf(
  points: readonly { readonly atS: number; readonly offsetUs: number; readonly uncertaintyUs: number }[],
): Drift | undefined {
  if (points.length < 3) return undefined
  const meanT = points.reduce((sum, { atS }) => sum + atS, 0) / points.length
  const meanO = points.reduce((sum, { offsetUs }) => sum + offsetUs, 0) / points.length
  const above = points.reduce((sum, { atS, offsetUs }) => sum + (atS - meanT) * (offsetUs - meanO), 0)
  const below = points.reduce((sum, { atS }) => sum + (atS - meanT) ** 2, 0)
  if (below === 0) return undefined
  const ppm = above / below
  const [first, last] = [points[0]!, points.at(-1)!]
  const moved = Math.abs(ppm * (last.atS - first.atS))
  return { ppm, certain: moved > first.uncertaintyUs + last.uncertaintyUs }
}
