/** A network of namespaces for the range: one for each service, and one in the middle with the bridge, aggregator and load. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

export const HUB = `hsrca${process.pid}`
export const HUB_ADDRESS = '10.79.0.1'

export interface Node {
  readonly name: string
  readonly ns: string
  readonly address: string
  /** Its end of the wire in the hub. */
  readonly port: string
}

const children = new Set<ChildProcess>()

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
}

/** Namespaces up and joined; they go with the process. */
export function createNetwork(names: readonly string[]): Node[] {
  const nodes = names.map((name, i) => ({ name, ns: `${HUB}-${i}`, address: `10.79.0.${i + 10}`, port: `v${i}` }))
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL')
    for (const ns of [HUB, ...nodes.map(({ ns }) => ns)]) spawnSync('ip', ['netns', 'del', ns], { stdio: 'ignore' })
  })
  ip('netns', 'add', HUB)
  ip('-n', HUB, 'link', 'set', 'lo', 'up')
  ip('-n', HUB, 'link', 'add', 'br0', 'type', 'bridge')
  ip('-n', HUB, 'addr', 'add', `${HUB_ADDRESS}/24`, 'dev', 'br0')
  ip('-n', HUB, 'link', 'set', 'br0', 'up')
  for (const { ns, address, port } of nodes) {
    ip('netns', 'add', ns)
    ip('link', 'add', 'eth0', 'netns', ns, 'type', 'veth', 'peer', 'name', port, 'netns', HUB)
    ip('-n', HUB, 'link', 'set', port, 'master', 'br0', 'up')
    ip('-n', ns, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    ip('-n', ns, 'link', 'set', 'lo', 'up')
    ip('-n', ns, 'link', 'set', 'eth0', 'up')
    ip('netns', 'exec', ns, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start')
  }
  return nodes
}

/** Perl that opens two tap devices as descriptors 3 and 4 and becomes what follows: Node has no ioctl. */
function opener(devices: readonly [string, string], command: readonly string[]): string[] {
  const open = devices.map(
    (name, i) =>
      `open(my $d${i}, "+<", "/dev/net/tun") or die $!; my $r${i} = pack("a16 S x22", "${name}", 0x1002); ioctl($d${i}, 0x400454ca, $r${i}) or die $!; dup2(fileno($d${i}), ${i + 3});`,
  )
  return ['perl', '-MPOSIX=dup2', '-e', `$^F = 255; ${open.join(' ')} exec @ARGV`, ...command]
}

/**
 * Puts a program between a node and the rest: its port goes to a bridge of its own, and the program carries frames between
 * that and the others' on two tap devices. What it gives back puts the port where it was.
 */
export async function between(
  { ns, name }: Node,
  port: string,
  command: readonly string[],
): Promise<() => Promise<void>> {
  const [bridge, inner, outer] = [`b${port}`, `i${port}`, `o${port}`]
  const exists = spawnSync('ip', ['-n', HUB, 'link', 'show', bridge], { stdio: 'ignore' }).status === 0
  if (!exists) {
    ip('-n', HUB, 'link', 'add', bridge, 'type', 'bridge')
    ip('-n', HUB, 'link', 'set', bridge, 'up')
    for (const [tap, of] of [
      [inner, bridge],
      [outer, 'br0'],
    ] as const) {
      ip('-n', HUB, 'tuntap', 'add', tap, 'mode', 'tap')
      ip('-n', HUB, 'link', 'set', tap, 'master', of, 'up')
    }
  } else ip('-n', HUB, 'link', 'set', outer, 'master', 'br0')
  const wire = await run(HUB, opener([inner, outer], command), 'listening')
  wire.once('exit', (code) => code !== 0 && code !== null && console.error(`the wire of ${name} (${ns}) ended`))
  ip('-n', HUB, 'link', 'set', port, 'master', bridge)
  return async () => {
    // With it goes what the bridge knew of who is behind it.
    ip('-n', HUB, 'link', 'set', outer, 'nomaster')
    ip('-n', HUB, 'link', 'set', port, 'master', 'br0')
    await end(wire)
  }
}

/** Starts a program in a namespace and waits for a line of its output that has `ready`. */
export async function run(ns: string, command: readonly string[], ready: string, uid = 0): Promise<ChildProcess> {
  const user = uid === 0 ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  const child = spawn('ip', ['netns', 'exec', ns, ...user, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
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
