/** Settings of how much telemetry may cost. */
import { SERVING } from './commands.ts'
import { group, setting } from './setting.ts'
import { bool, duration, ratio } from './values.ts'

const live = { commands: SERVING, reloadable: true }

export const governor = group({
  enabled: setting(bool, {
    doc: 'Sample fewer new traces while the telemetry thread takes more of the process’s CPU than `telemetry.governor.maxShare`. Failed and slow requests are exported in any case.',
    default: true,
    defaults: { dev: false },
    ...live,
  }),
  maxShare: setting(ratio, {
    doc: 'Share of the process’s CPU that the telemetry thread may take.',
    default: 0.05,
    ...live,
  }),
  lowest: setting(ratio, {
    doc: 'The governor does not sample less than this share of new traces (nor less than a thousandth).',
    default: 0.1,
    ...live,
  }),
  leastLoad: setting(ratio, {
    doc: 'With less of one core in use by the process than this there is nothing to save: the governor does not act, and lets go.',
    default: 0.2,
    ...live,
  }),
  recoverMs: setting(duration(), {
    doc: 'How long the share must have been low before more is sampled again, a doubling at a time.',
    default: 15_000,
    ...live,
  }),
  windowMs: setting(duration(), {
    doc: 'CPU is measured over so long, and a step down is judged after it.',
    default: 2000,
    ...live,
  }),
})
