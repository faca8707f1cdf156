/** Which durations are a measure of anything: those in the sums of metrics and in the quantiles of the query API. */

/**
 * Microseconds. Beyond a week a duration is a clock that was never set, or one connection: in a sum it would outweigh all
 * others for as long as the process runs. NaN is none either, and is more than all numbers in SQL.
 */
const LONGEST_US = 7 * 86_400e6

export const isMeasure = (durationUs: number): boolean => durationUs <= LONGEST_US

/** SQL for the same. */
export const isMeasureSql = (durationUs: string): string => `${durationUs} <= ${LONGEST_US}`
