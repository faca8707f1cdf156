/** A network of namespaces for the range: one for each service, and one in the middle with the bridge, aggregator and load. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

export const HUB = `hsrca${process.pid}`
export const HUB_ADDRESS = '10.79.0.1'

export interface Node {
  readonly name: string
  readonly ns: string
  readonly address: string
}

const children = new Set<ChildProcess>()

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
}

/** Namespaces up and joined; they go with the process. */
export function createNetwork(names: readonly string[]): Node[] {
  const nodes = names.map((name, i) => ({ name, ns: `${HUB}-${i}`, address: `10.79.0.${i + 10}` }))
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL')
    for (const ns of [HUB, ...nodes.map(({ ns }) => ns)]) spawnSync('ip', ['netns', 'del', ns], { stdio: 'ignore' })
  })
  ip('netns', 'add', HUB)
  ip('-n', HUB, 'link', 'set', 'lo', 'up')
  ip('-n', HUB, 'link', 'add', 'br0', 'type', 'bridge')
  ip('-n', HUB, 'addr', 'add', `${HUB_ADDRESS}/24`, 'dev', 'br0')
  ip('-n', HUB, 'link', 'set', 'br0', 'up')
  nodes.forEach(({ ns, address }, i) => {
    ip('netns', 'add', ns)
    ip('link', 'add', 'eth0', 'netns', ns, 'type', 'veth', 'peer', 'name', `v${i}`, 'netns', HUB)
    ip('-n', HUB, 'link', 'set', `v${i}`, 'master', 'br0', 'up')
    ip('-n', ns, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    ip('-n', ns, 'link', 'set', 'lo', 'up')
    ip('-n', ns, 'link', 'set', 'eth0', 'up')
    ip('netns', 'exec', ns, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start')
  })
  return nodes
}

/** Starts a program in a namespace and waits for a line of its output that has `ready`. */
export async function run(ns: string, command: readonly string[], ready: string, uid = 0): Promise<ChildProcess> {
  const user = uid === 0 ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  const child = spawn('ip', ['netns', 'exec', ns, ...user, ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  let said = ''
  await new Promise<void>((resolve, reject) => {
    const hear = (piece: Buffer): void => {
      if (said.length < 20_000) said += piece
      if (said.includes(ready)) resolve()
    }
    child.stdout!.on('data', hear)
    child.stderr!.on('data', hear)
    child.once('exit', (code) => reject(new Error(`${command.slice(0, 3).join(' ')} ended with ${code}: ${said}`)))
    setTimeout(() => reject(new Error(`not ready: ${command.join(' ')}: ${said}`)), 60_000).unref()
  })
  return child
}

/** Runs to the end; throws where it fails. */
export function exec(ns: string, ...command: string[]): string {
  const { status, stdout, stderr } = spawnSync('ip', ['netns', 'exec', ns, ...command], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  return stdout
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}
