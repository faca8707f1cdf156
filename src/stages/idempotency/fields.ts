/** Reading header fields that have no number. */
import type { HeaderBlock } from '../../core/headers.ts'

/** All values of the fields named `name` (lower case) as received, in their order. */
export function valuesOf(headers: HeaderBlock, name: string): string[] {
  const values: string[] = []
  for (let i = 0; i < headers.count; i++) {
    if (headers.isDropped(i)) continue
    const given = headers.nameAt(i)
    if (given.length === name.length && given.toLowerCase() === name) values.push(headers.valueAt(i))
  }
  return values
}
