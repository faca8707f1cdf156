/** Ports for programs that are to be started. */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below those that the kernel gives to who dials: between two starts of an instance nobody else's call takes its port. */
const FIRST_PORT = 12_000
const PORTS = 20_000

/** Given to this process before. */
const given = new Set<number>()

/** A port that was free a moment ago, each time another one. */
export async function freePort(): Promise<number> {
  const port = FIRST_PORT + randomInt(PORTS)
  if (given.has(port)) return freePort()
  given.add(port)
  const server = createServer().listen(port, '127.0.0.1')
  const isFree = await once(server, 'listening').then(
    () => true,
    () => false,
  )
  if (!isFree) return freePort()
  server.close()
  await once(server, 'close')
  return port
}
