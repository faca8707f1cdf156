/** Settings of gRPC. */
import { SERVING } from './commands.ts'
import { group, setting } from './setting.ts'
import { oneOf } from './values.ts'

export const grpc = group({
  web: setting(oneOf('pass', 'translate'), {
    doc: 'Calls of gRPC-Web (browsers): pass them on as they are, for upstreams that understand them, or translate them to gRPC.',
    default: 'pass',
    commands: SERVING,
  }),
})
