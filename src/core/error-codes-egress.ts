/** Codes of upstreams that are reached through a forward proxy, or through a dispatcher of the user's. */
import { type CodeFacts, own, server } from './error-kinds.ts'

export const EGRESS_CODES = {
  egress_refused: server(
    502,
    'safe',
    'The forward proxy did not let the request through',
    'The proxy of `egress.httpProxy` or `egress.httpsProxy` refused to tunnel, or wants credentials (407).',
    'Look at the detail for its status. Are the credentials in its URL right, may this host use it, is the destination allowed? Destinations that need no proxy belong into `egress.noProxy`.',
  ),
  dispatcher_closed: own(
    503,
    'The dispatcher is closed',
    'The dispatcher that was given to `createProxy` was closed or destroyed by its owner.',
    'Close the proxy before the dispatcher.',
  ),
  dispatch_unsupported: own(
    501,
    'The request cannot be sent by this way',
    'Through a tunnel of a forward proxy or a dispatcher go requests for paths: not `OPTIONS *`, not CONNECT.',
    'Reach the upstream directly where this is needed.',
  ),
} as const satisfies Record<string, CodeFacts>
