/** Settings of the Idempotency-Key feature. */
import { SERVERS } from './commands.ts'
import { group, optional } from './setting.ts'
import { text } from './values.ts'

export const idempotency = group({
  store: optional(text('memory, file:DIR or redis://…', 'memory|file:dir|redis://…'), {
    doc: 'Where answers to requests with an Idempotency-Key are kept.',
    commands: SERVERS,
    secret: true,
    later: 'idempotency',
  }),
})
