/** A span as it came, cut out of its request: resource, scope and span, and how it travels between replicas. */
import type { SegmentExtent, SegmentView } from '../intake/segment.ts'
import { decodeSpan } from '../otlp-decode.ts'
import type { ReceivedSpan } from '../span.ts'
import { placeOf, type StoredSpan } from './block-reader.ts'

export interface SpanParts {
  readonly receivedMs: number
  /** Messages Resource, InstrumentationScope and Span, one behind the other. */
  readonly bytes: Buffer
  readonly resourceLength: number
  readonly scopeLength: number
}

export function partsOf(view: SegmentView, extent: SegmentExtent, row: number): SpanParts {
  const { spanAt, spanEnd, resourceAt, resourceEnd, scopeAt, scopeEnd } = placeOf(view, row)
  const { raw } = view
  const parts = [raw.subarray(resourceAt, resourceEnd), raw.subarray(scopeAt, scopeEnd), raw.subarray(spanAt, spanEnd)]
  return {
    receivedMs: extent.baseMs + view.received[row]!,
    bytes: Buffer.concat(parts),
    resourceLength: resourceEnd - resourceAt,
    scopeLength: scopeEnd - scopeAt,
  }
}

/** Undefined where the bytes are no span. `like` has the same resource and scope, see {@link haveOneOrigin}. */
export function decodeParts(parts: SpanParts, like?: ReceivedSpan): StoredSpan | undefined {
  const { bytes, resourceLength, scopeLength, receivedMs } = parts
  const spanAt = resourceLength + scopeLength
  const place = { resourceAt: 0, resourceEnd: resourceLength, scopeAt: resourceLength, scopeEnd: spanAt }
  const span = decodeSpan(bytes, { ...place, spanAt, spanEnd: bytes.length }, like)
  return span === undefined ? undefined : { span, receivedMs }
}

/** They have the same resource and scope. */
export function haveOneOrigin(a: SpanParts, b: SpanParts): boolean {
  const length = a.resourceLength + a.scopeLength
  return (
    a.resourceLength === b.resourceLength &&
    a.scopeLength === b.scopeLength &&
    a.bytes.compare(b.bytes, 0, length, 0, length) === 0
  )
}

/** receivedMs as a double, then three lengths of four bytes each: resource, scope, all. Little-endian. */
const HEAD = 20

export function encodeParts(list: readonly SpanParts[]): Buffer {
  return Buffer.concat(
    list.flatMap(({ receivedMs, bytes, resourceLength, scopeLength }) => {
      const head = Buffer.alloc(HEAD)
      head.writeDoubleLE(receivedMs, 0)
      head.writeUInt32LE(resourceLength, 8)
      head.writeUInt32LE(scopeLength, 12)
      head.writeUInt32LE(bytes.length, 16)
      return [head, bytes]
    }),
  )
}

/** Throws where it is not what {@link encodeParts} gave. */
export function readParts(body: Buffer): SpanParts[] {
  const list: SpanParts[] = []
  for (let at = 0; at < body.length; ) {
    if (at + HEAD > body.length) throw new Error('spans of a replica end half way')
    const receivedMs = body.readDoubleLE(at)
    const [resourceLength, scopeLength] = [body.readUInt32LE(at + 8), body.readUInt32LE(at + 12)]
    const end = at + HEAD + body.readUInt32LE(at + 16)
    const bytes = body.subarray(at + HEAD, end)
    if (end > body.length || resourceLength + scopeLength > bytes.length) {
      throw new Error('spans of a replica have lengths that cannot be')
    }
    list.push({ receivedMs, bytes, resourceLength, scopeLength })
    at = end
  }
  return list
}
