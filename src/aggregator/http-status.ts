/** A status as HTTP has it (RFC 9110 §15), from 100 to 599; 0 for all else that a sender may say, and for none. */
export function httpStatusOf(value: number | undefined): number {
  return value !== undefined && Number.isInteger(value) && value >= 100 && value <= 599 ? value : 0
}
