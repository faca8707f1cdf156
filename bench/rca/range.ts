/**
 * The range on real services: each a process in a network namespace of its own behind a real sidecar with real rules, a
 * real aggregator, load with a swing. What is not of the mesh is called by name, over TLS, through a proxy beside the caller.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { WatchState } from '../../src/aggregator/diagnosis/watch.ts'
import { mintAuthority, mintLeaf } from '../../src/tls/mint.ts'
import { ALWAYS_MS } from './distractions.ts'
import { EGRESS, ENTRY, EXTERNAL, egressOf, MESHED, SERVICES } from './mesh.ts'
import { createNetwork, end, exec, HUB, HUB_ADDRESS, type Node, run } from './namespaces.ts'
import { EGRESS_PORT, RESOLVER_PORT } from './ports.ts'
import type { ServiceSetup } from './service.ts'

const PROXY_UID = 1337
const SERVICE_UID = 1000
/** Proxies give up before their apps do (1.5 s), so that who waited for what is told at once. */
const FIRST_BYTE_MS = 1200
const CONNECT_MS = 1000
/** Connections of a proxy out of the mesh: few, so that they can run out. */
const EGRESS_CONNECTIONS = 6
const DAY_MS = 86_400_000
/** So that it has to collect early. */
const HEAP_MIB = 300
/** On its own thread: other services of the machine have their cores. */
const COLLECTOR = ['--max-semi-space-size=2', '--single-threaded-gc']
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const HOPSCOPE = [process.execPath, path('../../cli/main.js')]

export const CAN_SKEW = existsSync(FAKETIME)

export interface RangeOptions {
  readonly rate: number
  /** Services without a sidecar. */
  readonly bare: ReadonlySet<string>
  /** The service that is always slow. */
  readonly slow: string
  /** Services whose sidecar's clock may be set wrong. */
  readonly skewed: ReadonlySet<string>
}

export class Range {
  readonly folder = mkdtempSync(join(tmpdir(), 'hopscope-rca-'))
  readonly #options: RangeOptions
  readonly #nodes: readonly Node[]
  readonly #addresses: Readonly<Record<string, string>>
  #aggregator: ChildProcess | undefined
  #load: ChildProcess | undefined
  #answers: AsyncIterator<string> | undefined
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(options: RangeOptions) {
    this.#options = options
    this.#nodes = createNetwork(SERVICES)
    this.#addresses = Object.fromEntries(this.#nodes.map(({ name, address }) => [name, address]))
    process.once('exit', () => rmSync(this.folder, { recursive: true, force: true }))
  }

  static async start(options: RangeOptions): Promise<Range> {
    const range = new Range(options)
    await range.#mint()
    await range.#startAggregator()
    for (const node of range.#nodes) await range.#startService(node)
    for (const [caller, callee] of EGRESS) await range.#startEgress(range.node(caller), callee)
    await range.#startLoad()
    return range
  }

  node(name: string): Node {
    return this.#nodes.find((one) => one.name === name)!
  }

  /** Fetches an address from within the hub. Throws where it is not answered well. */
  async ask(line: string): Promise<string> {
    const asking = this.#turn.then(async () => {
      this.#load!.stdin!.write(`${line}\n`)
      const { value } = await this.#answers!.next()
      const text = JSON.parse(value as string) as string
      if (text.startsWith('failed: ')) throw new Error(`${line}: ${text}`)
      return text
    })
    this.#turn = asking.catch(() => {})
    return asking
  }

  async api<T>(question: string): Promise<T> {
    return JSON.parse(await this.ask(`http://${HUB_ADDRESS}:16686/api/hopscope/${question}`)) as T
  }

  state(): Promise<WatchState> {
    return this.api<WatchState>('incidents')
  }

  /** File that says by how much the clock of a sidecar is wrong. */
  clockFile(service: string): string {
    return join(this.folder, `${service}.clock`)
  }

  async stop(): Promise<void> {
    this.#load?.kill('SIGTERM')
    if (this.#aggregator !== undefined) await end(this.#aggregator)
  }

  async #mint(): Promise<void> {
    const now = Date.now()
    const from = (days: number): Date => new Date(now + days * DAY_MS)
    const authority = await mintAuthority('range', { notBefore: from(-60), notAfter: from(120) })
    writeFileSync(join(this.folder, 'ca.crt'), authority.cert)
    for (const name of EXTERNAL) {
      for (const [suffix, days] of [
        ['', 90],
        ['-expired', -1],
      ] as const) {
        const names = [`${name}.mesh`]
        const leaf = await mintLeaf(authority, {
          ...{ commonName: `${name}.mesh`, names },
          ...{ notBefore: from(-30), notAfter: from(days) },
        })
        writeFileSync(join(this.folder, `${name}${suffix}.crt`), leaf.cert)
        writeFileSync(join(this.folder, `${name}${suffix}.key`), leaf.key, { mode: 0o644 })
      }
    }
    chmodSync(this.folder, 0o755)
  }

  async #startAggregator(): Promise<void> {
    const at = ['--otlp-grpc', `${HUB_ADDRESS}:4317`, '--otlp-http', 'off', '--metrics', 'off']
    const where = ['--data-dir', join(this.folder, 'data'), ...at, '--ui', `${HUB_ADDRESS}:16686`]
    const command = [...HOPSCOPE, 'aggregator', ...where, '--aggregator-wal-sync', 'never']
    this.#aggregator = await run(HUB, command, '"listening"')
  }

  async #startService({ name, ns }: Node): Promise<void> {
    const { bare, slow, skewed } = this.#options
    const isExternal = EXTERNAL.includes(name)
    const setup: ServiceSetup = {
      addresses: this.#addresses,
      slowMs: name === slow ? ALWAYS_MS : 0,
      ...(isExternal && { certificates: this.folder }),
    }
    const node = [process.execPath, `--max-old-space-size=${HEAP_MIB}`, ...COLLECTOR]
    await run(ns, [...node, path('service.js'), name, JSON.stringify(setup)], 'listening', SERVICE_UID)
    if (isExternal || bare.has(name)) return
    exec(ns, ...HOPSCOPE, 'iptables', 'apply', '--intercept-ports', '80', '--intercept-ipv6', 'false')
    const command = [...HOPSCOPE, 'sidecar', ...this.#telemetry(name)]
    await run(ns, [...(skewed.has(name) ? this.#clockOf(name) : []), ...command], '"listening"', PROXY_UID)
  }

  #telemetry(name: string): string[] {
    return [
      ...['--service-name', name, '--otlp-endpoint', `http://${HUB_ADDRESS}:4317`, '--metrics', 'off'],
      ...['--access-log', 'off', '--timeouts-first-byte-ms', String(FIRST_BYTE_MS), '--admin', 'off'],
      ...['--timeouts-connect-ms', String(CONNECT_MS)],
      ...['--resource-attributes', `host.name=${name}-host`],
    ]
  }

  /** The clock of the wall is what a file says, read once a second; that of durations is left alone. */
  #clockOf(name: string): string[] {
    writeFileSync(this.clockFile(name), '+0')
    const file = [`FAKETIME_TIMESTAMP_FILE=${this.clockFile(name)}`, 'FAKETIME_CACHE_DURATION=1']
    return ['env', `LD_PRELOAD=${FAKETIME}`, 'FAKETIME_DONT_FAKE_MONOTONIC=1', 'FAKETIME_DISABLE_SHM=1', ...file]
  }

  async #startEgress({ ns }: Node, callee: string): Promise<void> {
    await run(ns, [process.execPath, path('resolver.js'), this.node(callee).address], 'listening', SERVICE_UID)
    const upstream = [
      ...['--listen', `127.0.0.1:${EGRESS_PORT}`, '--upstream', `https://${callee}.mesh`],
      ...['--upstream-tls-ca', join(this.folder, 'ca.crt'), '--upstream-dns-servers', `127.0.0.1:${RESOLVER_PORT}`],
      ...['--upstream-idle-ms', '20', '--upstream-max-connections', String(EGRESS_CONNECTIONS)],
    ]
    await run(ns, [...HOPSCOPE, 'proxy', ...this.#telemetry(egressOf(callee)), ...upstream], '"listening"', PROXY_UID)
  }

  async #startLoad(): Promise<void> {
    const command = [process.execPath, path('load.js'), this.node(ENTRY).address, String(this.#options.rate)]
    const load = spawn('ip', ['netns', 'exec', HUB, ...command], { stdio: ['pipe', 'pipe', 'inherit'] })
    process.once('exit', () => load.kill('SIGKILL'))
    this.#load = load
    this.#answers = createInterface({ input: load.stdout! })[Symbol.asyncIterator]()
    await this.#answers.next()
  }
}

/** Sidecars that run. */
export const sidecars = (bare: ReadonlySet<string>): number => MESHED.filter((name) => !bare.has(name)).length
