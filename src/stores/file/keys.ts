/** Keys of the file: an id for its record, and the same with a suffix for a body that lies apart. */

const BODY_SUFFIX = Buffer.from('\0b', 'latin1')

export const keyOf = (id: string): Buffer => Buffer.from(id, 'latin1')
export const bodyKeyOf = (id: string): Buffer => Buffer.concat([keyOf(id), BODY_SUFFIX])
export const isBodyKey = (key: Buffer): boolean => key.length > 2 && key.subarray(-2).equals(BODY_SUFFIX)
