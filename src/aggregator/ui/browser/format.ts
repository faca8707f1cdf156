/** Figures as they are read. */

/** Three digits and a unit. */
export function duration(us: number | null | undefined): string {
  if (us === null || us === undefined) return '–'
  const size = Math.abs(us)
  if (size < 1) return us === 0 ? '0' : `${us.toFixed(2)} µs`
  if (size < 999.5) return `${digits(us)} µs`
  if (size < 999_500) return `${digits(us / 1e3)} ms`
  if (size < 120e6) return `${digits(us / 1e6)} s`
  if (size < 7200e6) return `${digits(us / 60e6)} min`
  return `${digits(us / 3600e6)} h`
}

function digits(value: number): string {
  const size = Math.abs(value)
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0)
}

export function count(value: number): string {
  if (value < 10_000) return value.toLocaleString('en')
  if (value < 999_500) return `${digits(value / 1e3)}k`
  return `${digits(value / 1e6)}M`
}

export function rate(perSecond: number): string {
  if (perSecond === 0) return '0/s'
  if (perSecond >= 100) return `${count(Math.round(perSecond))}/s`
  if (perSecond >= 0.095) return `${digits(perSecond)}/s`
  return `${digits(perSecond * 60)}/min`
}

export function percent(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0%'
  const share = (part / whole) * 100
  if (share < 0.1) return '<0.1%'
  return `${share < 9.95 ? share.toFixed(1) : Math.round(share)}%`
}

const two = (value: number): string => String(value).padStart(2, '0')

/** Name and route, unless the one has the other: proxies that learn of no template name a span by its method alone. */
export function whatOf({ name, route }: { readonly name: string; readonly route: string }): string {
  return route === '' || name.includes(route) ? name : `${name} ${route}`
}

/** Local time of day to the millisecond. */
export function clockTime(ms: number): string {
  const date = new Date(ms)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

export function day(ms: number): string {
  const date = new Date(ms)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

/** Nanoseconds as text → milliseconds; what is lost is far below one. */
export const nsToMs = (ns: string): number => Number(ns) / 1e6

export const nowMs = (): number => performance.timeOrigin + performance.now()

/** A hue of the service's own, the same on every page. */
export function hue(service: string): string {
  let hash = 2166136261
  for (let i = 0; i < service.length; i++) hash = Math.imul(hash ^ service.charCodeAt(i), 16777619)
  // 16 hues, since nobody tells more apart; red is left to failures.
  return String(45 + (((hash >>> 8) ^ hash) & 15) * 19)
}

/** Ticks for an axis: round steps, about `wanted` of them. */
export function ticks(from: number, to: number, wanted: number): number[] {
  const rough = (to - from) / wanted
  if (!(rough > 0)) return []
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough
  const list: number[] = []
  for (let at = Math.ceil(from / step) * step; at <= to && list.length < 64; at += step) list.push(at)
  return list
}
