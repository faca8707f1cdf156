/** The shop of the range: services, who calls whom, what caches keep, and how long each takes by itself. */

/** A call, and what share of it a cache of the caller answers. */
export type MeshCall = readonly [service: string, route: string, cached?: number]

export interface ServiceSpec {
  readonly name: string
  /** Milliseconds of its own work. */
  readonly ms: number
  readonly sigma: number
  /** Routes with the services that each calls, one after the other. */
  readonly routes: Readonly<Record<string, readonly MeshCall[]>>
  /** Of somebody else: over TLS, by name, through a proxy of the caller's; it has no sidecar. */
  readonly external?: boolean
}

export const ENTRY = 'web'
/** Routes of the entry with their share of the load. */
export const ENTRY_ROUTES: readonly (readonly [route: string, share: number])[] = [
  ['/home', 0.3],
  ['/product', 0.3],
  ['/search', 0.15],
  ['/cart', 0.15],
  ['/checkout', 0.1],
]

const CACHED = 0.7

export const MESH: readonly ServiceSpec[] = [
  {
    ...{ name: 'web', ms: 2, sigma: 0.3 },
    routes: {
      '/home': [
        ['catalog', '/list'],
        ['recommend', '/for'],
      ],
      '/product': [
        ['catalog', '/item'],
        ['reviews', '/of'],
        ['recommend', '/for'],
      ],
      '/search': [['search', '/query']],
      '/cart': [['cart', '/show']],
      '/checkout': [['orders', '/place']],
    },
  },
  {
    name: 'catalog',
    ms: 3,
    sigma: 0.4,
    routes: {
      '/list': [['stock', '/many']],
      '/item': [
        ['stock', '/one'],
        ['pricing', '/price', CACHED],
      ],
    },
  },
  { name: 'search', ms: 8, sigma: 0.5, routes: { '/query': [['catalog', '/list']] } },
  { name: 'recommend', ms: 5, sigma: 0.5, routes: { '/for': [['profiles', '/get']] } },
  { name: 'reviews', ms: 4, sigma: 0.4, routes: { '/of': [['photos', '/thumbs']] } },
  {
    name: 'cart',
    ms: 2,
    sigma: 0.3,
    routes: {
      '/show': [
        ['pricing', '/price', CACHED],
        ['profiles', '/get'],
      ],
      '/empty': [],
    },
  },
  {
    ...{ name: 'orders', ms: 4, sigma: 0.3 },
    routes: {
      '/place': [
        ['cart', '/show'],
        ['payments', '/charge'],
        ['shipping', '/book'],
        ['cart', '/empty'],
      ],
    },
  },
  {
    ...{ name: 'payments', ms: 12, sigma: 0.4 },
    routes: {
      '/charge': [
        ['fraud', '/check'],
        ['bank', '/pay'],
      ],
    },
  },
  { name: 'fraud', ms: 6, sigma: 0.4, routes: { '/check': [['profiles', '/get']] } },
  { name: 'shipping', ms: 5, sigma: 0.4, routes: { '/book': [['stock', '/one']] } },
  { name: 'pricing', ms: 1.5, sigma: 0.3, routes: { '/price': [] } },
  { name: 'stock', ms: 2, sigma: 0.4, routes: { '/many': [], '/one': [] } },
  { name: 'profiles', ms: 2, sigma: 0.4, routes: { '/get': [] } },
  { name: 'bank', ms: 15, sigma: 0.4, routes: { '/pay': [], '/report': [] }, external: true },
  { name: 'photos', ms: 4, sigma: 0.4, routes: { '/thumbs': [], '/report': [] }, external: true },
]

const named = (wanted: (spec: ServiceSpec) => boolean): readonly string[] => MESH.filter(wanted).map(({ name }) => name)

export const SERVICES = named(() => true)
/** Those that have a sidecar, unless it is taken away. */
export const MESHED = named(({ external }) => external !== true)
export const EXTERNAL = named(({ external }) => external === true)
/** Those that call others. */
export const CALLERS = named(({ routes }) => Object.values(routes).some((calls) => calls.length > 0))
/** Those that are called past caches only. */
export const BEHIND_CACHES = named(({ name }) => {
  const calls = MESH.flatMap(({ routes }) => Object.values(routes).flat()).filter(([callee]) => callee === name)
  return calls.length > 0 && calls.every(([, , cached]) => cached !== undefined)
})

export const specOf = (name: string): ServiceSpec => MESH.find((one) => one.name === name)!

export type MeshEdge = readonly [caller: string, callee: string]

export const EDGES: readonly MeshEdge[] = MESH.flatMap(({ name, routes }) =>
  [...new Set(Object.values(routes).flatMap((calls) => calls.map(([callee]) => callee)))].map(
    (callee): MeshEdge => [name, callee],
  ),
)

/** Routes of a service that others call. */
export function calledRoutes(service: string): string[] {
  const calls = MESH.flatMap(({ routes }) => Object.values(routes).flat()).filter(([callee]) => callee === service)
  return [...new Set(calls.map(([, route]) => route))]
}

/** Name of the proxy through which something external is called. */
export const egressOf = (external: string): string => `${external}-egress`

/** The calls that leave the mesh. */
export const EGRESS: readonly MeshEdge[] = EDGES.filter(([, callee]) => EXTERNAL.includes(callee))
