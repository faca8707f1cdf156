/** Two network namespaces joined by a veth pair, for tests with real rules. Root only; nothing is left behind. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** Group and user as which a program runs in a namespace; by default root. */
export interface RunAs {
  readonly uid?: number
}

/** What a program that ended said. */
export interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A program that runs in a namespace. */
export interface Running {
  readonly child: ChildProcess
  /** The next line that it writes to stdout and that `wanted` accepts, within the deadline; earlier ones are kept. */
  line(wanted: (line: string) => boolean, deadlineMs?: number): Promise<string>
  /** All lines so far. */
  readonly lines: readonly string[]
  /** Everything on stderr so far. */
  readonly stderr: () => string
  /** SIGTERM, SIGKILL after 3 s; resolves when it is gone. */
  stop(): Promise<void>
}

/** One namespace with its addresses. */
export interface Namespace {
  readonly name: string
  readonly v4: string
  readonly v6: string
  /** Run to the end. */
  exec(command: readonly string[], options?: RunAs & { readonly env?: NodeJS.ProcessEnv }): Ended
  /** Start; stopped by {@link Pair.cleanup} at the latest. */
  start(command: readonly string[], options?: RunAs & { readonly env?: NodeJS.ProcessEnv }): Running
}

/** `pod` is where the rules go, `peer` is another host on its network. */
export interface Pair {
  readonly pod: Namespace
  readonly peer: Namespace
  cleanup(): Promise<void>
}

const PROGRAMS = ['ip', 'iptables-save', 'ip6tables-save', 'setpriv']

/** Why these tests cannot run here, or false: the value of a test's `skip`. */
export function netnsUnavailable(): string | false {
  if (process.platform !== 'linux') return 'network namespaces need Linux'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  for (const program of PROGRAMS) {
    if (spawnSync(program, ['--version'], { stdio: 'ignore' }).error !== undefined) return `${program} is not installed`
  }
  if (spawnSync('unshare', ['-n', 'true'], { stdio: 'ignore' }).status !== 0) return 'namespaces are not permitted here'
  const readable = spawnSync('setpriv', [...asUser(1337), process.execPath, '-e', `require('koffi')`], {
    stdio: 'ignore',
  })
  return readable.status === 0 ? false : 'another user cannot read this checkout'
}

function asUser(uid: number): string[] {
  return [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
}

let pairs = 0

/** Both namespaces up, addressed and reachable from each other. */
export function createPair(): Pair {
  const id = `hs${process.pid}-${pairs++}`
  const running = new Set<Running>()
  const pod = namespace(`${id}-pod`, '10.77.0.2', 'fd77::2', running)
  const peer = namespace(`${id}-peer`, '10.77.0.3', 'fd77::3', running)
  const remove = (): void => {
    for (const { name } of [pod, peer]) spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' })
  }
  try {
    root('ip', 'netns', 'add', pod.name)
    root('ip', 'netns', 'add', peer.name)
    root('ip', 'link', 'add', 'eth0', 'netns', pod.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer.name)
    for (const one of [pod, peer]) {
      root('ip', '-n', one.name, 'addr', 'add', `${one.v4}/24`, 'dev', 'eth0')
      // Without duplicate address detection: an address under test is not usable for a second.
      root('ip', '-n', one.name, 'addr', 'add', `${one.v6}/64`, 'dev', 'eth0', 'nodad')
      root('ip', '-n', one.name, 'link', 'set', 'lo', 'up')
      root('ip', '-n', one.name, 'link', 'set', 'eth0', 'up')
      root('ip', '-n', one.name, 'route', 'add', 'default', 'dev', 'eth0')
      // Servers listen on port 80 as ordinary users, as they do in containers.
      root('ip', 'netns', 'exec', one.name, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start')
    }
  } catch (error) {
    remove()
    throw error
  }
  process.once('exit', remove)
  return {
    pod,
    peer,
    async cleanup() {
      await Promise.all([...running].map((one) => one.stop()))
      remove()
      process.off('exit', remove)
    },
  }
}

/** Link-local addresses that can be used at once: those that the kernel makes are under test for a second. */
export const LINK_LOCAL = { pod: 'fe80::2', peer: 'fe80::3' }

/** Gives both ends of a pair their {@link LINK_LOCAL} addresses. */
export function addLinkLocal({ pod, peer }: Pair): void {
  root('ip', '-n', pod.name, 'addr', 'add', `${LINK_LOCAL.pod}/64`, 'dev', 'eth0', 'nodad')
  root('ip', '-n', peer.name, 'addr', 'add', `${LINK_LOCAL.peer}/64`, 'dev', 'eth0', 'nodad')
}

function root(program: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${[program, ...args].join(' ')}: ${stderr}`)
}

function namespace(name: string, v4: string, v6: string, running: Set<Running>): Namespace {
  const full = (command: readonly string[], { uid = 0 }: RunAs): string[] => {
    const user = uid === 0 ? [] : ['setpriv', ...asUser(uid)]
    return ['netns', 'exec', name, ...user, ...command]
  }
  return {
    name,
    v4,
    v6,
    exec(command, options = {}) {
      const env = { ...process.env, ...options.env }
      const { status, stdout, stderr, error } = spawnSync('ip', full(command, options), {
        encoding: 'utf8',
        timeout: 20_000,
        env,
      })
      return { status: status ?? -1, stdout: stdout ?? '', stderr: `${stderr ?? ''}${error?.message ?? ''}` }
    },
    start(command, options = {}) {
      const env = { ...process.env, ...options.env }
      // `ip netns exec` and `setpriv` replace themselves, so that the child's pid is the program's own.
      const child = spawn('ip', full(command, options), { stdio: ['ignore', 'pipe', 'pipe'], env })
      const one = watch(child, () => running.delete(one))
      running.add(one)
      return one
    },
  }
}

function watch(child: ChildProcess, onEnd: () => void): Running {
  const lines: string[] = []
  const waiting = new Set<() => void>()
  let stderr = ''
  let ended = false
  const wake = (): void => {
    for (const one of waiting) one()
  }
  createInterface({ input: child.stdout! }).on('line', (line) => {
    lines.push(line)
    wake()
  })
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  child.once('close', () => {
    ended = true
    onEnd()
    wake()
  })
  return {
    child,
    lines,
    stderr: () => stderr,
    line(wanted, deadlineMs = 8000) {
      return new Promise((resolve, reject) => {
        const settle = (end: () => void): void => {
          clearTimeout(timer)
          waiting.delete(look)
          end()
        }
        const timer = setTimeout(() => {
          settle(() => reject(new Error(`no such line in ${deadlineMs} ms; had:\n${lines.join('\n')}\n${stderr}`)))
        }, deadlineMs)
        const look = (): void => {
          const found = lines.find(wanted)
          if (found !== undefined) settle(() => resolve(found))
          else if (ended) settle(() => reject(new Error(`the program ended; had:\n${lines.join('\n')}\n${stderr}`)))
        }
        waiting.add(look)
        look()
      })
    },
    async stop() {
      if (ended) return
      const closed = once(child, 'close')
      child.kill('SIGTERM')
      const force = setTimeout(() => child.kill('SIGKILL'), 3000)
      await closed
      clearTimeout(force)
    },
  }
}
