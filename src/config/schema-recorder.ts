/** Settings of the flight recorder. */
import { SERVING } from './commands.ts'
import { group, optional, setting } from './setting.ts'
import { bool, bytes, duration, int, listOf, oneOf, text } from './values.ts'

const MIB = 1024 * 1024
const serving = { commands: SERVING }

const fieldName = text('the name of a header field', 'name')

export const recorder = group({
  bytes: setting(bytes(65_536, 1024 * MIB), {
    doc: 'Memory for the last exchanges, sampled or not: some 3,000 of them in 4 MiB.',
    default: 4 * MIB,
    ...serving,
  }),
  headers: setting(oneOf('all', 'auto', 'off'), {
    doc: 'Whose header fields are recorded. auto: of HTTP/2, where they cost a microsecond or two, only those of failed and slow exchanges. Values of all but harmless ones are left out when they are read.',
    default: 'auto',
    ...serving,
  }),
  showHeaders: setting(listOf(fieldName, 64), {
    doc: 'Header fields of yours whose values may be shown as well. Credentials, cookies and idempotency keys never are.',
    default: [],
    ...serving,
  }),
  bodyBytes: setting(bytes(0, 16_384), {
    doc: 'First bytes of each body that are recorded, of JSON and forms only, without the values of fields that are secrets by their name.',
    default: 0,
    ...serving,
  }),
  slowMs: setting(duration(), {
    doc: 'An exchange that takes longer is recorded like one that failed.',
    default: 1000,
    ...serving,
  }),
  tracesPerSecond: setting(int(0, 1000), {
    doc: 'Traces a second of which all spans are exported though they were not sampled, since an exchange failed; half as many for slow ones, as many again for what happened elsewhere. 0: none.',
    default: 10,
    ...serving,
  }),
  ask: setting(bool, {
    doc: 'Other proxies of a trace that failed here are asked for their part of it, through the aggregator, and answered when they ask.',
    default: true,
    ...serving,
  }),
  dumpDir: optional(text('a folder', 'dir'), {
    doc: 'Where what is recorded of a failed or slow trace is written, one file a trace.',
    ...serving,
  }),
  dumpFiles: setting(int(1, 100_000), { doc: 'Most files there; the oldest go.', default: 1000, ...serving }),
  dumpBytes: setting(bytes(65_536, 64 * 1024 * MIB), {
    doc: 'Most bytes there; the oldest files go.',
    default: 64 * MIB,
    ...serving,
  }),
  file: optional(text('a file', 'file'), {
    doc: 'A memory-mapped file with the last exchanges, redacted, which outlives the process however it ends (Linux). Of several processes the second has FILE.2, and so on.',
    ...serving,
  }),
  fileBytes: setting(bytes(262_144, 1024 * MIB), { doc: 'Size of that file.', default: 16 * MIB, ...serving }),
})
