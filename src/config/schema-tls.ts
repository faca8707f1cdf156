/** Settings of TLS, on either side. */
import { SERVERS } from './commands.ts'
import { group, optional } from './setting.ts'
import { text } from './values.ts'

export const tls = group({
  cert: optional(text('a PEM file', 'file'), {
    doc: 'Certificate shown to clients.',
    commands: SERVERS,
    later: 'TLS termination',
  }),
  key: optional(text('a PEM file', 'file'), {
    doc: 'Private key of that certificate.',
    commands: SERVERS,
    later: 'TLS termination',
  }),
})
