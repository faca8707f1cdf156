/** What the log says of a configuration that was read anew. */
import { faultReport } from '../config/fault.ts'
import type { ReloadOutcome } from '../config/reread.ts'
import type { Logger } from '../core/log.ts'

/** A bad one changed nothing. */
export function tellOfReload(log: Logger, { faults, changed, needRestart }: ReloadOutcome): void {
  if (faults.length > 0) log.error({ report: faultReport(faults) }, 'the new configuration is refused')
  else log.info({ changed, needRestart }, 'configuration read')
}
