/** THE order of the stages, a reason a line. User stages come after ours: they see ids and context in place. */
import type { Stage } from '../exchange/stage.ts'
import { stripAltSvc } from './alt-svc.ts'
import { type ForwardedMode, forwarded } from './forwarded.ts'
import { type GrpcOptions, grpc } from './grpc.ts'
import { hopToken } from './hop-token.ts'
import { requestId } from './request-id.ts'
import { serverTiming } from './server-timing.ts'
import { type TlsRules, tlsRules } from './tls-rules.ts'
import { type TraceContextOptions, traceContext } from './trace-context.ts'

export interface StackOptions {
  readonly grpc: GrpcOptions
  readonly trace: TraceContextOptions
  readonly tls: TlsRules
  /** Take Alt-Svc out of responses. */
  readonly stripAltSvc: boolean
  /** Undefined: keys of requests mean nothing. */
  readonly idempotency: Stage | undefined
  readonly forwarded: ForwardedMode
  /** Put the phases on responses, for a browser's network panel. */
  readonly serverTiming: boolean
  readonly userStages: readonly Stage[]
  /** Telemetry and other observers of the finish. */
  readonly observers: readonly Stage[]
}

/** Stages in the order in which they see a request; they see the finish in reverse. */
export function stack(options: StackOptions): Stage[] {
  return [
    ...options.observers, // first in, so last at the finish: what they record is final
    grpc(options.grpc), // before anything can refuse, so that every refusal speaks the client's language
    requestId(), // before anything can refuse, so that every answer carries the id
    traceContext(options.trace), // needs the request id, to join calls that carry it
    hopToken(), // a request that goes in circles has a span, and no other work is done for it
    ...tlsRules(options.tls), // refused with id and trace in place, before anything is remembered of the request
    ...(options.idempotency === undefined ? [] : [options.idempotency]), // keeps id and trace of whoever runs
    ...(options.forwarded === 'off' ? [] : [forwarded(options.forwarded)]), // rewrites for the upstream only
    ...(options.stripAltSvc ? [stripAltSvc()] : []), // before user stages: one may set its own
    ...(options.serverTiming ? [serverTiming()] : []), // reads slots that the driver has stamped
    ...options.userStages, // see everything of ours in place
  ]
}
