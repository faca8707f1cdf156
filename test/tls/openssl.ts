/** `openssl s_client` as a client: what it says of a connection. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

/** The value of a test's `skip`. */
export const noOpenssl: string | false =
  spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not installed'

/** Connect, send `input`, and end when `until` was said, or the server closed. All that was said. */
export async function sClient(
  port: number,
  flags: readonly string[],
  { input = '', until = /$^/ as RegExp } = {},
): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...flags])
  let said = ''
  const timer = setTimeout(() => child.kill('SIGKILL'), 8000)
  const take = (chunk: Buffer): void => {
    said += chunk.toString('latin1')
    if (until.test(said)) child.kill('SIGTERM')
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  child.stdin.on('error', () => {})
  if (input !== '') child.stdin.write(input)
  await once(child, 'close')
  clearTimeout(timer)
  return said
}
