/** Fields as text: `name: value CRLF` lines, as they stand in a message (RFC 9112 section 5), without the empty line. */

/** Names of fields, asked for by the number of a known one before the name is looked at. */
export interface FieldFilter {
  /** By number, 1: of the filter. */
  readonly known: Uint8Array
  /** In any case. */
  has(name: string): boolean
}

/** Of lines that were made from fields. Throws RangeError where the last one has no end. */
export function fieldsOf(lines: string): [string, string][] {
  const fields: [string, string][] = []
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf('\r\n', at)
    if (end === -1) throw new RangeError('a line of fields has no end')
    const colon = lines.indexOf(':', at)
    fields.push([lines.slice(at, colon), lines.slice(colon + 2, end)])
    at = end + 2
  }
  return fields
}

export function linesOf(fields: Iterable<readonly [string, string]>): string {
  let lines = ''
  for (const [name, value] of fields) lines += `${name}: ${value}\r\n`
  return lines
}
