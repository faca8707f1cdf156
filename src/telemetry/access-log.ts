/** The access log: one JSON line an exchange, formatted and written in the telemetry thread by pino. */
import { destination, type Logger as PinoLogger, pino } from 'pino'
import { shownJson } from '../core/hidden-characters.ts'
import type { CallView } from './call-record.ts'
import type { SharedCounters } from './counters.ts'
import type { ExchangeView } from './record-view.ts'
import { FAILED_HANDSHAKE, protocolLabel, type TunnelView } from './tunnel-record.ts'

/** Lines that wait for a slow reader of the log; more are dropped and counted. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024
/** Lines are written out together once they are this much, and whenever the ring has been read. */
const GATHER_BYTES = 8 * 1024
const WRITE_BYTES = 64 * 1024

export class AccessLog {
  readonly #destination: ReturnType<typeof destination>
  readonly #log: PinoLogger
  readonly #counters: SharedCounters

  /** `fd` 1 is standard output. */
  constructor(fd: number, counters: SharedCounters) {
    this.#counters = counters
    this.#destination = destination({
      fd,
      sync: false,
      minLength: GATHER_BYTES,
      maxWrite: WRITE_BYTES,
      maxLength: MAX_WAITING_BYTES,
    })
    this.#destination.on('drop', () => counters.add('logDropped', 1))
    // A log that nobody reads any more (EPIPE) must not end the process.
    this.#destination.on('error', () => counters.add('logDropped', 1))
    this.#log = pino(
      {
        base: null,
        timestamp: false,
        formatters: { level: (level) => ({ level }) },
        hooks: { streamWrite: shownJson },
      },
      this.#destination,
    )
  }

  exchange(x: ExchangeView): void {
    this.#counters.add('logged', 1)
    const line = {
      time: x.time,
      direction: x.direction,
      method: x.method,
      host: x.host,
      path: x.path === '' ? undefined : x.path,
      status: x.status,
      grpcStatus: x.grpcStatus,
      durationUs: x.durationUs,
      phasesUs: x.phasesUs,
      requestBytes: x.requestBytes,
      responseBytes: x.responseBytes,
      requestId: x.requestId,
      traceId: x.traceId,
      spanId: x.spanId,
      client: x.client,
      upstream: x.upstream,
      reused: x.upstreamReused,
      attempts: x.attempts,
      idempotency: x.idempotency,
      userAgent: x.userAgent,
      error: x.error,
    }
    if (x.error !== undefined && x.error.source !== 'downstream') this.#log.error(line, 'exchange')
    else this.#log.info(line, 'exchange')
  }

  tunnel(view: TunnelView, originUs: number): void {
    this.#counters.add('logged', 1)
    const { startUs, endUs, kind, flags: _, protocol, ...rest } = view
    const label = protocol && { protocol: protocolLabel(protocol), calls: protocol.calls }
    const line = { time: timeOf(startUs + originUs), durationUs: Math.round(endUs - startUs), ...label, ...rest }
    const what = rest.reason === FAILED_HANDSHAKE ? 'tls handshake' : kind
    if (rest.errorCode !== '' && rest.errorSource !== 'downstream') this.#log.error(line, what)
    else this.#log.info(line, what)
  }

  call(view: CallView, originUs: number): void {
    this.#counters.add('logged', 1)
    const { startUs, endUs, kind, flags: _, attributes, ...rest } = view
    const facts = Object.fromEntries(attributes)
    const line = { time: timeOf(startUs + originUs), durationUs: Math.round(endUs - startUs), ...rest, ...facts }
    if (view.error === undefined) this.#log.info(line, kind)
    else this.#log.error(line, kind)
  }

  /** Write out what was gathered. */
  flush(): void {
    this.#destination.flush()
  }

  /** All written out, or `deadlineMs` over. */
  async close(deadlineMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadlineMs)
      let written = 0
      this.#destination.on('write', (bytes: number) => {
        written += bytes
      })
      // A synchronous flush would not wait for the write that is under way, which ends with the thread. This one waits for
      // that write alone, and not for what came behind it: all is out when there was nothing to write.
      const flush = (): void => {
        written = 0
        this.#destination.flush(() => {
          if (written > 0) {
            flush()
            return
          }
          clearTimeout(timer)
          resolve()
        })
      }
      flush()
    })
  }
}

/** Microseconds since the epoch → ISO 8601. */
const timeOf = (us: number): string => new Date(us / 1000).toISOString()
