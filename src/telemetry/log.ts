/** The operational log, by pino: JSON lines on standard error, never blocking and never carrying credentials. */
import { destination, pino } from 'pino'
import { ProxyError } from '../core/errors.ts'
import { shownJson } from '../core/hidden-characters.ts'
import { isLogLevel, type LeveledLogger, type LogFields, type LogLevel } from '../core/log.ts'

/** Keys whose values are never written, at the top or one level down. */
const SECRET_KEYS = ['authorization', 'cookie', 'password', 'secret', 'token', 'headers', 'key']
const MAX_WAITING_BYTES = 1024 * 1024
const FLUSH_MS = 500

export interface LogOptions {
  readonly level: LogLevel
  /** File descriptor, 2 where not given. */
  readonly fd?: number
}

/** A logger that is also flushed, at the end of the process: what is not written within {@link FLUSH_MS} is lost. */
export interface OperationalLog extends LeveledLogger {
  flush(): Promise<void>
}

/** Errors as values print as their facts; others by name, message and code, with the stack at `debug` only. */
function errorFields(error: unknown): unknown {
  if (error instanceof ProxyError) {
    const { code, phase, errno, detail, connection } = error
    return { code, phase, errno, detail, connection }
  }
  if (!(error instanceof Error)) return String(error)
  const code = (error as { code?: unknown }).code
  return { name: error.name, message: error.message, ...(code !== undefined && { code }), stack: error.stack }
}

/** A logger of its own writer. */
export function createLog(options: LogOptions): OperationalLog {
  const output = destination({ fd: options.fd ?? 2, sync: false, minLength: 1, maxLength: MAX_WAITING_BYTES })
  // Standard error may be closed by whoever started us; that must not end the proxy.
  output.on('error', () => {})
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      hooks: { streamWrite: shownJson },
      serializers: { err: errorFields, error: errorFields },
      redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`]), censor: 'REDACTED' },
    },
    output,
  )
  return {
    debug: (fields: LogFields, message: string) => log.debug(fields, message),
    info: (fields: LogFields, message: string) => log.info(fields, message),
    warn: (fields: LogFields, message: string) => log.warn(fields, message),
    error: (fields: LogFields, message: string) => log.error(fields, message),
    get level(): LogLevel {
      return isLogLevel(log.level) ? log.level : 'info'
    },
    set level(level: LogLevel) {
      log.level = level
    },
    flush: () =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, FLUSH_MS)
        // Not flushSync: it would pass by the write that is under way.
        output.flush(() => {
          clearTimeout(timer)
          resolve()
        })
      }),
  }
}
