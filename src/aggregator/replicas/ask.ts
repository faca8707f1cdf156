/** One question to one replica, within a bounded time and a bounded size. */
import type { Member } from '../../core/members.ts'
import type { Asked, ReplicaClient } from './client.ts'

const MAX_ANSWER_BYTES = 128 * 1024 * 1024

/** The body of a 200. Rejects with what went wrong, at the latest `timeoutMs` after the call. */
export function ask(client: ReplicaClient, to: Member, asked: Asked, body?: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const made = client.request(to, asked)
    const late = setTimeout(() => made.destroy(new Error(`no answer within ${asked.timeoutMs} ms`)), asked.timeoutMs)
    const settled = <T>(settle: (value: T) => void) => {
      return (value: T): void => {
        clearTimeout(late)
        settle(value)
      }
    }
    const fail = settled(reject)
    made.once('error', fail)
    made.once('response', (response) => {
      const parts: Buffer[] = []
      let bytes = 0
      response.on('data', (part: Buffer) => {
        bytes += part.length
        if (bytes > MAX_ANSWER_BYTES) made.destroy(new Error('the answer is too large'))
        else parts.push(part)
      })
      response.once('error', fail)
      response.once('end', () => {
        const all = Buffer.concat(parts)
        if (response.statusCode === 200) settled(resolve)(all)
        else fail(new Error(`${response.statusCode}: ${all.toString('utf8', 0, 200)}`))
      })
    })
    made.end(body)
  })
}
