/** Faults and distractions done to the real range, and undone. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Distraction } from './distractions.ts'
import type { Fault } from './faults.ts'
import { EDGES, specOf } from './mesh.ts'
import { between, end, exec, run } from './namespaces.ts'
import { CONTROL_PORT, EGRESS_PORT, RESOLVER_CONTROL_PORT } from './ports.ts'
import type { Range } from './range.ts'

export type Undo = () => Promise<void>

const WIRE = fileURLToPath(new URL('wire.js', import.meta.url))
/** Calls that hold all connections of a proxy out of the mesh. */
const HOGS = 10
const HOG_EVERY_MS = 50

/** Done when this resolves; what it gives undoes it. */
export async function inject(range: Range, fault: Fault): Promise<Undo> {
  const { kind, service, from, size } = fault
  switch (kind) {
    case 'blackhole':
    case 'edge-loss':
      return drop(range, fault)
    case 'edge-delay':
    case 'edge-jitter': {
      const [delay, jitter] = kind === 'edge-delay' ? [size, 0] : [0, size]
      const node = range.node(service)
      const command = [process.execPath, WIRE, String(delay), String(jitter), range.node(from).address]
      return between(node, node.port, command)
    }
    case 'dns-slow':
    case 'dns-failing': {
      const to = `http://${range.node(from).address}:${RESOLVER_CONTROL_PORT}`
      await range.ask(kind === 'dns-slow' ? `${to}/slow/${size.toFixed(0)}` : `${to}/failing`)
      return async () => void (await range.ask(`${to}/none`))
    }
    case 'pool':
      return hog(range, fault)
    case 'clock-skew':
      writeFileSync(range.clockFile(service), `+${(size / 1000).toFixed(3)}`)
      return async () => writeFileSync(range.clockFile(service), '+0')
    case 'retry-storm':
      return together(await Promise.all([inService(range, fault), ...storms(range, service)]))
    default:
      return inService(range, fault)
  }
}

const together = (undos: readonly Undo[]): Undo => {
  return async () => void (await Promise.all(undos.map((undo) => undo())))
}

async function control(range: Range, service: string, what: string): Promise<void> {
  await range.ask(`http://${range.node(service).address}:${CONTROL_PORT}/${what}`)
}

async function inService(range: Range, { kind, service, size, route }: Fault): Promise<Undo> {
  await control(range, service, `on/${kind}/${size}/${route.replace('/', '~')}`)
  return () => control(range, service, `off/${kind}`)
}

/** Callers of a service try three times more. */
function storms(range: Range, service: string): Promise<Undo>[] {
  const callers = EDGES.filter(([, callee]) => callee === service).map(([caller]) => caller)
  return callers.map(async (caller) => {
    await control(range, caller, `on/storms/1/${service}`)
    return () => control(range, caller, 'off/storms')
  })
}

async function drop(range: Range, { kind, service, from, size }: Fault): Promise<Undo> {
  const { ns } = range.node(service)
  const share = kind === 'blackhole' ? [] : ['-m', 'statistic', '--mode', 'random', '--probability', String(size)]
  const port = specOf(service).external === true ? '443' : '80'
  const match = ['-p', 'tcp', '-s', range.node(from).address, '--dport', port, ...share, '-j', 'DROP']
  exec(ns, 'iptables', '-t', 'raw', '-I', 'PREROUTING', ...match)
  return async () => void exec(ns, 'iptables', '-t', 'raw', '-D', 'PREROUTING', ...match)
}

/** Reports that take long hold the connections, again and again. */
async function hog(range: Range, { service, from }: Fault): Promise<Undo> {
  const code = `const one = () => fetch('http://127.0.0.1:${EGRESS_PORT}/report', { headers: { host: '${service}.mesh' } }).then((r) => r.text()).catch(() => {})
let now = 0
setInterval(() => { while (now < ${HOGS}) { now++; one().finally(() => now--) } }, ${HOG_EVERY_MS}); console.log('listening')`
  const hogging = await run(range.node(from).ns, [process.execPath, '-e', code], 'listening')
  return () => end(hogging)
}

export async function distract(range: Range, { kind, service, route }: Distraction): Promise<void> {
  if (kind === 'deploy') await control(range, service, 'deploy')
  if (kind === 'batch') await range.ask(`batch ${range.node(service).address} ${service}.mesh ${route}`)
}
