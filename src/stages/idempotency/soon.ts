/** Going on with what a store answers, at once or later. */
import type { Soon } from '../../exchange/idempotency-store.ts'

/** `ok` with the value or `failed` with the error; at once where the answer was there at once. */
export function settle<T, R>(
  ask: () => Soon<T>,
  ok: (value: T) => R | Promise<R>,
  failed: (error: unknown) => R | Promise<R>,
): R | Promise<R> {
  let answer: Soon<T>
  try {
    answer = ask()
  } catch (error) {
    return failed(error)
  }
  return answer instanceof Promise ? answer.then(ok, failed) : ok(answer)
}
