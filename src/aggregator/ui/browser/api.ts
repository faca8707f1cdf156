/** Questions to the query API. */

export class ApiError extends Error {
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

let heard: (missing: readonly string[]) => void = () => {}

/** `listener` hears with each answer which aggregators of the fleet had no part in it. */
export function onMissing(listener: (missing: readonly string[]) => void): void {
  heard = listener
}

function tellMissing(missing: unknown): void {
  if (Array.isArray(missing)) heard(missing.map(String))
}

/** Rejects with ApiError where the answer is no 200, or with what fetch rejects with (AbortError where `signal` says so). */
export async function ask<T>(path: string, query: URLSearchParams, signal: AbortSignal): Promise<T> {
  const text = query.toString()
  const response = await fetch(`/api/hopscope/${path}${text === '' ? '' : `?${text}`}`, { signal })
  const body: unknown = await response.json().catch(() => null)
  tellMissing((body as { missing?: unknown } | null)?.missing)
  if (response.ok) return body as T
  const said = (body as { error?: unknown } | null)?.error
  throw new ApiError(typeof said === 'string' ? said : `the aggregator answered ${response.status}`, response.status)
}

/** One question at a time: a new one ends the one before. */
export class Asking {
  #current: AbortController | undefined

  /** Resolves to undefined where another question came in between. */
  async ask<T>(path: string, query: URLSearchParams): Promise<T | undefined> {
    this.stop()
    const own = new AbortController()
    this.#current = own
    try {
      const answer = await ask<T>(path, query, own.signal)
      return own.signal.aborted ? undefined : answer
    } catch (error) {
      if (own.signal.aborted) return undefined
      throw error
    }
  }

  stop(): void {
    this.#current?.abort()
    this.#current = undefined
  }
}

export function messageOf(error: unknown): string {
  if (error instanceof ApiError) return error.message
  if (error instanceof TypeError) return 'the aggregator cannot be reached'
  return error instanceof Error ? error.message : String(error)
}
