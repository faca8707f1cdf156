/** What the log says of a configuration that was read anew. */
import { faultReport } from '../config/fault.ts'
import type { ReloadOutcome } from '../config/reread.ts'
import type { Logger } from '../core/log.ts'

/** A bad one changed nothing. `refusedBy`: processes that found faults where this one found none. */
export function tellOfReload(log: Logger, outcome: ReloadOutcome, refusedBy = 0): void {
  const { faults, changed, needRestart } = outcome
  if (faults.length > 0) log.error({ report: faultReport(faults) }, 'the new configuration is refused')
  else if (refusedBy > 0) log.error({ changed, processes: refusedBy }, 'some processes refused the new configuration')
  else log.info({ changed, needRestart }, 'configuration read')
}
