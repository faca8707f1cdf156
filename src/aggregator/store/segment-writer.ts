/** A sealed segment into a span file: rows, packed blocks and edges, in one transaction. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { SegmentExtent, SegmentView } from '../intake/segment.ts'
import { AttributeTokens } from './attribute-tokens.ts'
import { BLOCK_BYTES } from './blocks.ts'
import { TokenSet } from './bloom.ts'
import type { Edge } from './pairing.ts'
import type { SpanFile } from './span-file.ts'
import { EDGES, SPANS, TableWriter } from './tables.ts'

const SPAN_ATTRIBUTES = 0x4a
const RESOURCE_ATTRIBUTES = 0x0a

/** What of a segment is one block. */
interface Block {
  readonly number: number
  readonly from: number
  readonly to: number
  readonly firstScope: number
  readonly endScope: number
}

export class SegmentWriter {
  readonly #connection: DuckDBConnection
  readonly #tokens = new TokenSet()
  readonly #attributes = new AttributeTokens()

  constructor(connection: DuckDBConnection) {
    this.#connection = connection
  }

  /** Rejects where nothing of it was stored. */
  async write(file: SpanFile, view: SegmentView, extent: SegmentExtent, edges: readonly Edge[]): Promise<void> {
    const connection = this.#connection
    const end = file.blocks.size
    await connection.run('BEGIN TRANSACTION')
    try {
      const blocks = cutBlocks(view, extent, file.nextBlock)
      const range = await this.#spans(file, view, extent, blocks)
      await this.#blocks(file, view, extent, blocks)
      await this.#edges(file, extent.sequence, edges)
      await connection.run(`INSERT INTO ${file.db}.segments VALUES (${extent.sequence})`)
      file.blocks.sync()
      await connection.run('COMMIT')
      this.#committed(file, extent, blocks.length, range)
    } catch (error) {
      await connection.run('ROLLBACK').catch(() => {})
      file.blocks.truncate(end)
      throw error
    }
  }

  #committed(file: SpanFile, extent: SegmentExtent, blocks: number, range: Range): void {
    file.nextBlock += blocks
    file.lastSegment = extent.sequence
    if (range.rows === 0) return
    if (file.rows === 0 || range.leastNs < file.leastNs) file.leastNs = range.leastNs
    if (file.rows === 0 || range.mostNs > file.mostNs) file.mostNs = range.mostNs
    file.rows += range.rows
  }

  async #spans(file: SpanFile, view: SegmentView, extent: SegmentExtent, blocks: readonly Block[]): Promise<Range> {
    const writer = await TableWriter.open(this.#connection, file.db, 'spans', SPANS)
    const rows = new SpanRows(writer)
    let block = 0
    let least = Number.POSITIVE_INFINITY
    let most = 0
    let count = 0
    for (let row = 0; row < extent.rows; row++) {
      if (view.duplicate[row] === 1) continue
      while (view.scope[row]! >= blocks[block]!.endScope) block++
      rows.put(view, row, extent, blocks[block]!.number)
      const start = view.start[row * 2 + 1]! * 0x100000000 + view.start[row * 2]!
      if (start < least) least = start
      if (start > most) most = start
      count++
    }
    writer.close()
    return { rows: count, leastNs: count === 0 ? 0n : below(least), mostNs: above(most) }
  }

  async #blocks(file: SpanFile, view: SegmentView, extent: SegmentExtent, blocks: readonly Block[]): Promise<void> {
    const appender = await this.#connection.createAppender('blocks', 'main', file.db)
    let row = 0
    for (const block of blocks) {
      let least = Number.POSITIVE_INFINITY
      let most = 0
      let resource = -1
      this.#attributes.begin(view.raw)
      for (; row < extent.rows && view.scope[row]! < block.endScope; row++) {
        const scope = view.scope[row]!
        if (view.resourceAt[scope] !== resource) {
          resource = view.resourceAt[scope]!
          this.#attributes.collect(resource, view.resourceEnd[scope]!, RESOURCE_ATTRIBUTES, this.#tokens)
        }
        this.#attributes.collect(view.spanAt[row]!, view.spanEnd[row]!, SPAN_ATTRIBUTES, this.#tokens)
        const start = view.start[row * 2 + 1]! * 0x100000000 + view.start[row * 2]!
        if (start < least) least = start
        if (start > most) most = start
      }
      const place = file.blocks.append(view.raw.subarray(block.from, block.to))
      appender.appendInteger(block.number)
      appender.appendBigInt(BigInt(place.at))
      appender.appendInteger(place.packed)
      appender.appendInteger(place.unpacked)
      appender.appendBigInt(least === Number.POSITIVE_INFINITY ? 0n : below(least))
      appender.appendBigInt(above(most))
      appender.appendBlob(this.#tokens.take())
      appender.endRow()
    }
    appender.closeSync()
  }

  async #edges(file: SpanFile, sequence: number, edges: readonly Edge[]): Promise<void> {
    if (edges.length === 0) return
    const writer = await TableWriter.open(this.#connection, file.db, 'edges', EDGES)
    const [seg, traceA, traceB, start, client, server, clientHost, serverHost, route] = writer.buffers.map(
      (buffer) => new Uint32Array(buffer, 0, Math.floor(buffer.byteLength / 4)),
    )
    const [clientUs, serverUs, offset] = writer.buffers.slice(9, 12).map((buffer) => new Float64Array(buffer))
    const [failed, relation] = writer.buffers.slice(12, 14).map((buffer) => new Uint8Array(buffer))
    const weight = new Float32Array(writer.buffers[14]!)
    for (const edge of edges) {
      const { row } = writer
      seg![row] = sequence
      traceA![row * 2] = edge.traceLow
      traceA![row * 2 + 1] = edge.traceHigh
      traceB![row * 2] = edge.traceLow2
      traceB![row * 2 + 1] = edge.traceHigh2
      start![row * 2] = edge.startLow
      start![row * 2 + 1] = edge.startHigh
      client![row] = edge.client
      server![row] = edge.server
      clientHost![row] = edge.clientHost
      serverHost![row] = edge.serverHost
      route![row] = edge.route
      clientUs![row] = edge.clientUs
      serverUs![row] = edge.serverUs
      offset![row] = edge.offsetUs
      failed![row] = edge.failed ? 1 : 0
      relation![row] = edge.relation
      weight[row] = edge.weight
      writer.next()
    }
    writer.close()
  }
}

interface Range {
  readonly rows: number
  readonly leastNs: bigint
  readonly mostNs: bigint
}

/** A double holds nanoseconds of today to 256: the bounds are a little wider than what they bound. */
const below = (ns: number): bigint => bounded(ns < 1024 ? 0n : BigInt(ns) - 1024n)
const above = (ns: number): bigint => bounded(BigInt(ns) + 1024n)
const MAX_NS = 2n ** 63n - 1n
/** Times beyond what a column can hold are a faulty sender's; the rows have them negative. */
const bounded = (ns: bigint): bigint => (ns > MAX_NS ? MAX_NS : ns)

function cutBlocks(view: SegmentView, extent: SegmentExtent, first: number): Block[] {
  const blocks: Block[] = []
  if (extent.scopes === 0) return blocks
  let from = 0
  let firstScope = 0
  for (let scope = 1; scope < extent.scopes; scope++) {
    const at = view.frameAt[scope]!
    if (at === view.frameAt[scope - 1] || at - from < BLOCK_BYTES) continue
    blocks.push({ number: first + blocks.length, from, to: at, firstScope, endScope: scope })
    from = at
    firstScope = scope
  }
  blocks.push({ number: first + blocks.length, from, to: extent.bytes, firstScope, endScope: extent.scopes })
  return blocks
}

/** Views on the buffers of a writer, in the order of {@link SPANS}. */
class SpanRows {
  readonly #writer: TableWriter
  readonly #words: readonly Uint32Array[]
  readonly #duration: Float64Array
  readonly #received: Float64Array
  readonly #http: Uint16Array
  readonly #kind: Uint8Array
  readonly #status: Uint8Array
  readonly #direction: Uint8Array
  readonly #weight: Float32Array

  constructor(writer: TableWriter) {
    const { buffers } = writer
    this.#writer = writer
    this.#words = buffers.map((buffer) => new Uint32Array(buffer, 0, Math.floor(buffer.byteLength / 4)))
    this.#duration = new Float64Array(buffers[7]!)
    this.#received = new Float64Array(buffers[8]!)
    this.#http = new Uint16Array(buffers[16]!)
    this.#kind = new Uint8Array(buffers[17]!)
    this.#status = new Uint8Array(buffers[18]!)
    this.#direction = new Uint8Array(buffers[19]!)
    this.#weight = new Float32Array(buffers[22]!)
  }

  put(view: SegmentView, row: number, extent: SegmentExtent, block: number): void {
    const words = this.#words
    const to = this.#writer.row
    const [two, two1, from2, from4] = [to * 2, to * 2 + 1, row * 2, row * 4]
    words[0]![to] = extent.sequence
    words[1]![to] = block
    words[2]![two] = view.trace[from4]!
    words[2]![two1] = view.trace[from4 + 1]!
    words[3]![two] = view.trace[from4 + 2]!
    words[3]![two1] = view.trace[from4 + 3]!
    words[4]![two] = view.span[from2]!
    words[4]![two1] = view.span[from2 + 1]!
    words[5]![two] = view.parent[from2]!
    words[5]![two1] = view.parent[from2 + 1]!
    words[6]![two] = view.start[from2]!
    words[6]![two1] = view.start[from2 + 1]!
    this.#duration[to] = view.duration[row]!
    this.#received[to] = extent.baseMs + view.received[row]!
    words[9]![to] = view.service[row]!
    words[10]![to] = view.host[row]!
    words[11]![to] = view.name[row]!
    words[12]![to] = view.route[row]!
    words[13]![to] = view.peer[row]!
    words[14]![to] = view.error[row]!
    words[15]![to] = view.outcome[row]!
    this.#http[to] = view.http[row]!
    this.#kind[to] = view.kind[row]!
    this.#status[to] = view.status[row]!
    this.#direction[to] = view.direction[row]!
    words[20]![two] = view.requestId[from2]!
    words[20]![two1] = view.requestId[from2 + 1]!
    words[21]![two] = view.idempotencyKey[from2]!
    words[21]![two1] = view.idempotencyKey[from2 + 1]!
    this.#weight[to] = view.weight[row]!
    this.#writer.next()
  }
}
