/** The requests, the responses and the phases of the report. */

/** A response that the origin gives and how hard it is asked for. */
export interface Workload {
  readonly name: string
  readonly title: string
  readonly path: string
  readonly bodyBytes: number
  /** Closed loop, as fast as it goes. */
  readonly saturation?: { readonly connections: number; readonly seconds: number }
  /** Open loop at a fixed rate, latency counted from the time at which the request was due. */
  readonly fixed?: { readonly connections: number; readonly seconds: number; readonly perSecond: number }
}

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'small',
    title: 'small JSON, 13 request headers',
    path: '/small',
    bodyBytes: 100,
    saturation: { connections: 64, seconds: 3 },
    fixed: { connections: 64, seconds: 3, perSecond: 5000 },
  },
  {
    // The axis on which the service meshes publish: vCPU at 1,000 requests a second, 1 KB, 16 connections.
    name: '1k',
    title: '1 KiB body, the axis of published mesh figures',
    path: '/1k',
    bodyBytes: 1024,
    fixed: { connections: 16, seconds: 2, perSecond: 1000 },
  },
  {
    name: '64k',
    title: '64 KiB body',
    path: '/64k',
    bodyBytes: 64 * 1024,
    saturation: { connections: 64, seconds: 2 },
    fixed: { connections: 64, seconds: 2, perSecond: 1000 },
  },
  {
    // No fixed rate: what one core of load generator can hold here says nothing about a proxy.
    name: '1m',
    title: '1 MiB body',
    path: '/1m',
    bodyBytes: 1024 * 1024,
    saturation: { connections: 32, seconds: 2 },
  },
]

/** 12 of the 13 request headers; Host is the first. What a browser behind a gateway sends, about 800 bytes. */
export const REQUEST_HEADERS: readonly (readonly [string, string])[] = [
  ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'],
  ['Accept', 'application/json, text/plain, */*'],
  ['Accept-Language', 'en-GB,en;q=0.8,de;q=0.5'],
  ['Accept-Encoding', 'gzip, deflate, br, zstd'],
  ['Connection', 'keep-alive'],
  ['Referer', 'https://shop.example.com/basket/checkout?step=3'],
  ['Cookie', 'session=6f1c2b8e4d7a4f0b9c3e5a7d9b1f3c5e; theme=dark; consent=necessary'],
  ['Authorization', `Bearer ${'eyJhbGciOiJFUzI1NiJ9.'.padEnd(180, 'aB3x')}`],
  ['X-Forwarded-For', '203.0.113.7, 10.4.2.19'],
  ['X-Forwarded-Proto', 'https'],
  ['Sec-Fetch-Mode', 'cors'],
  ['Cache-Control', 'no-cache'],
]
