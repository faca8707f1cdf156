/** The shop of the range: twelve services, who calls whom, and how long each takes by itself. */

export interface ServiceSpec {
  readonly name: string
  /** Milliseconds of its own work. */
  readonly ms: number
  readonly sigma: number
  /** Routes with the services that each calls, one after the other. */
  readonly routes: Readonly<Record<string, readonly (readonly [service: string, route: string])[]>>
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
        ['pricing', '/price'],
      ],
    },
  },
  { name: 'search', ms: 8, sigma: 0.5, routes: { '/query': [['catalog', '/list']] } },
  { name: 'recommend', ms: 5, sigma: 0.5, routes: { '/for': [['profiles', '/get']] } },
  { name: 'reviews', ms: 4, sigma: 0.4, routes: { '/of': [] } },
  {
    name: 'cart',
    ms: 2,
    sigma: 0.3,
    routes: {
      '/show': [
        ['pricing', '/price'],
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
  { name: 'payments', ms: 12, sigma: 0.4, routes: { '/charge': [['fraud', '/check']] } },
  { name: 'fraud', ms: 6, sigma: 0.4, routes: { '/check': [['profiles', '/get']] } },
  { name: 'shipping', ms: 5, sigma: 0.4, routes: { '/book': [['stock', '/one']] } },
  { name: 'pricing', ms: 1.5, sigma: 0.3, routes: { '/price': [] } },
  { name: 'stock', ms: 2, sigma: 0.4, routes: { '/many': [], '/one': [] } },
  { name: 'profiles', ms: 2, sigma: 0.4, routes: { '/get': [] } },
]

export const SERVICES: readonly string[] = MESH.map(({ name }) => name)

export const specOf = (name: string): ServiceSpec => MESH.find((one) => one.name === name)!

export type MeshEdge = readonly [caller: string, callee: string]

export const EDGES: readonly MeshEdge[] = MESH.flatMap(({ name, routes }) =>
  [...new Set(Object.values(routes).flatMap((calls) => calls.map(([callee]) => callee)))].map(
    (callee): MeshEdge => [name, callee],
  ),
)
