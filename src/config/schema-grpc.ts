/** Settings of gRPC. */
import { SERVING } from './commands.ts'
import { group, setting } from './setting.ts'
import { listOf, oneOf } from './values.ts'

/** Those that may pass by themselves. */
const RETRYABLE = ['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'ABORTED', 'CANCELLED', 'UNKNOWN', 'INTERNAL'] as const

export const grpc = group({
  web: setting(oneOf('pass', 'translate'), {
    doc: 'Calls of gRPC-Web (browsers): pass them on as they are, for upstreams that understand them, or translate them to gRPC.',
    default: 'pass',
    commands: SERVING,
  }),
  retryOn: setting(listOf(oneOf(...RETRYABLE), RETRYABLE.length), {
    doc: 'Statuses upon which a call is tried once more, where the upstream answered with nothing else. For servers whose calls may all be repeated: whether one had an effect cannot be known.',
    default: [],
    commands: SERVING,
  }),
})
