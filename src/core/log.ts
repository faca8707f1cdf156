/** The operational log as the modules see it: a message and structured fields, never credentials or query strings. */

/** Levels in rising order of weight. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

/** A logger that can be turned up and down while it runs. */
export interface LeveledLogger extends Logger {
  level: LogLevel
}

const ignore = (): void => {}

/** For libraries and tests that want silence. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

export function isLogLevel(value: unknown): value is LogLevel {
  return (LOG_LEVELS as readonly unknown[]).includes(value)
}
