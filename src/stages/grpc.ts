/**
 * Knows gRPC calls by their Content-Type, and holds them to the deadline that they came with. The client keeps it too, and
 * cancels: this is for clients that are gone without a word and for upstreams that do not look at `grpc-timeout`.
 */
import { ProxyError } from '../core/errors.ts'
import { parseGrpcTimeout, RPC_NONE, rpcKindOf } from '../core/grpc.ts'
import { knownId } from '../core/known-names.ts'
import type { Deadlined, Sweeper } from '../core/timers.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { phaseOf } from '../exchange/phase.ts'
import { CONTINUE, type Stage } from '../exchange/stage.ts'

const CONTENT_TYPE = knownId('content-type')
const TIMEOUT = knownId('grpc-timeout')

export interface GrpcOptions {
  readonly sweeper: Sweeper
  /** End an exchange whose time is over. */
  readonly expire: (x: Exchange, error: ProxyError) => void
}

class CallDeadline implements Deadlined {
  readonly #x: Exchange
  readonly #expire: GrpcOptions['expire']
  deadlineUs: number

  constructor(x: Exchange, timeoutMs: number, expire: GrpcOptions['expire']) {
    this.#x = x
    this.#expire = expire
    this.deadlineUs = x.timing.startUs + timeoutMs * 1000
  }

  onDeadline(): void {
    this.#expire(this.#x, new ProxyError('deadline_exceeded', phaseOf(this.#x)))
  }
}

export function grpc({ sweeper, expire }: GrpcOptions): Stage {
  return {
    name: 'grpc',
    role: 'decide',
    onRequestHead(x) {
      const { headers } = x.request
      x.rpc = rpcKindOf(headers.known(CONTENT_TYPE))
      if (x.rpc === RPC_NONE) return CONTINUE
      const timeoutMs = parseGrpcTimeout(headers.known(TIMEOUT) ?? '')
      if (timeoutMs < 0) return CONTINUE
      x.deadline = new CallDeadline(x, timeoutMs, expire)
      sweeper.add(x.deadline)
      return CONTINUE
    },
    onFinish(x) {
      if (x.deadline !== undefined) sweeper.remove(x.deadline)
      return undefined
    },
  }
}
