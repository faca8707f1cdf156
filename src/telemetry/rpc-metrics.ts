/** Durations of gRPC calls by method and status (OpenTelemetry conventions for RPC metrics, in Prometheus spelling). */
import { GRPC_STATUS_NAMES, grpcStatusName, grpcStatusNumber, isGrpcFailure } from '../core/grpc.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { DURATION_BOUNDS, HistogramCell, type Sample } from './metric-cells.ts'

/** Methods that are told apart; calls of others count as `_OTHER`. */
const METHODS_AT_MOST = 256
const METHOD = /^\/([A-Za-z0-9_.-]{1,200}\/[A-Za-z0-9_.-]{1,100})$/
const OTHER = '_OTHER'
/** Cells of a method: by status, -1 for none known, and direction. */
const STATUSES = GRPC_STATUS_NAMES.length + 1
const UNIMPLEMENTED = grpcStatusNumber('UNIMPLEMENTED')

type Cells = (HistogramCell | undefined)[]

export class RpcMetrics {
  readonly #methods = new Map<string, Cells>()
  readonly #other: Cells = []

  /** Count a finished call, whose status is final. */
  record(x: Exchange): void {
    const { grpcStatus } = x
    const outbound = x.connection.direction === 'outbound'
    let { path } = x.request
    let cells = this.#methods.get(path)
    if (cells === undefined) {
      // A query is no part of the method's name.
      path = path.split('?', 1)[0]!
      cells = this.#methods.get(path) ?? this.#newMethod(path, grpcStatus)
    }
    const index = grpcStatus + 1 + (outbound ? STATUSES : 0)
    let cell = cells[index]
    if (cell === undefined) {
      cell = new HistogramCell(
        DURATION_BOUNDS,
        labels(cells === this.#other ? OTHER : path.slice(1), grpcStatus, outbound),
      )
      cells[index] = cell
    }
    cell.record(x.durationUs)
  }

  /** Names come from clients: one that the server does not know must not make a series of its own. */
  #newMethod(path: string, status: number): Cells {
    if (status === UNIMPLEMENTED || this.#methods.size >= METHODS_AT_MOST || !METHOD.test(path)) return this.#other
    const cells: Cells = []
    this.#methods.set(path, cells)
    return cells
  }

  samples(name: string, outbound: boolean): Sample[] {
    const samples: Sample[] = []
    const first = outbound ? STATUSES : 0
    for (const cells of [...this.#methods.values(), this.#other]) {
      for (let i = first; i < first + STATUSES; i++) samples.push(...(cells[i]?.samples(name) ?? []))
    }
    return samples
  }
}

function labels(method: string, status: number, outbound: boolean): Record<string, string> {
  const name = status < 0 ? '' : grpcStatusName(status)
  return {
    rpc_system_name: 'grpc',
    rpc_method: method,
    rpc_response_status_code: name,
    ...(status >= 0 && isGrpcFailure(status, outbound) && { error_type: name }),
  }
}
