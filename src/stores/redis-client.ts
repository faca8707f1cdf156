/** The connection to Redis: never queues what cannot be sent, never gives up, never ends the process. */
import type { Logger } from '../core/log.ts'
import type { RedisTarget } from '../core/redis-url.ts'
import { CLAIM, LOOK, READ, RELEASE, SETTLE, WORK } from './redis-scripts.ts'

/** Certificates for `rediss://`, as node:tls takes them. */
export interface RedisTls {
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
}

export interface RedisConnection {
  readonly target: RedisTarget
  readonly tls?: RedisTls | undefined
  /** How long a connection may take to come up. */
  readonly connectTimeoutMs: number
  readonly log: Logger
}

const SCRIPTS = {
  hopscopeClaim: CLAIM,
  hopscopeWork: WORK,
  hopscopeSettle: SETTLE,
  hopscopeRelease: RELEASE,
  hopscopeRead: READ,
  hopscopeLook: LOOK,
} as const
export type ScriptName = keyof typeof SCRIPTS

export type Argument = string | Buffer
type Run = (key: string, ...args: Argument[]) => Promise<unknown>

/** The part of the client that is used; a single server and a cluster have it in common. */
export interface RedisClient extends Readonly<Record<`${ScriptName}Buffer`, Run>> {
  readonly status: string
  pipeline(): RedisPipeline
  info(section: string): Promise<string>
  defineCommand(name: string, definition: { readonly lua: string; readonly numberOfKeys: number }): void
  on(event: string, listener: (argument: unknown) => void): unknown
  connect(): Promise<unknown>
  disconnect(): void
  quit(): Promise<unknown>
}

export interface RedisPipeline extends Readonly<Record<`${ScriptName}Buffer`, (...args: Argument[]) => RedisPipeline>> {
  wait(replicas: number, timeoutMs: number): RedisPipeline
  exec(): Promise<[Error | null, unknown][] | null>
}

/** No data for so long while an answer is due: the connection counts as dead. */
const SILENCE_MS = 5000
const LONGEST_PAUSE_MS = 2000
const FIRST_PAUSE_MS = 50

/** Some randomness, so that processes do not come back all at once. */
function pauseMs(tries: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(tries - 1, 10)) * (0.75 + Math.random() / 2)
}

/** A client and why it is not connected, '' where it was never refused. */
export interface RedisLink {
  readonly client: RedisClient
  readonly lastError: string
  /** Set before the client is closed: else it is connected anew. */
  closing: boolean
}

export async function connectRedis(connection: RedisConnection): Promise<RedisLink> {
  const client = await createClient(connection)
  for (const [name, lua] of Object.entries(SCRIPTS)) client.defineCommand(name, { lua, numberOfKeys: 1 })
  const { log } = connection
  const link = { client, lastError: '', closing: false }
  let failing = false
  let ends = 0
  // Without a listener a failure to connect would end the process. One line each time it starts to fail.
  client.on('error', (error) => {
    link.lastError = messageOf(error)
    if (!failing) log.warn({ store: 'redis', err: link.lastError }, 'the connection to redis failed')
    failing = true
  })
  client.on('ready', () => {
    if (failing) log.info({ store: 'redis' }, 'redis is back')
    failing = false
    ends = 0
    void warnOfEviction(client, log)
  })
  // It gives up where a sentinel tells of a failover while it asks for the new master, whatever its retry strategy says.
  client.on('end', () => {
    if (link.closing) return
    setTimeout(() => {
      // What fails is told to the listener of errors above, and ends once more.
      if (!link.closing) client.connect().catch(() => undefined)
    }, pauseMs(++ends)).unref()
  })
  return link
}

async function createClient({ target, tls, connectTimeoutMs }: RedisConnection): Promise<RedisClient> {
  const { Redis, Cluster } = await import('ioredis')
  const { username, password, addresses, db, master } = target
  const sentinelPassword = target.query.get('sentinelPassword')
  const common = {
    connectTimeout: connectTimeoutMs,
    socketTimeout: SILENCE_MS,
    protocol: 2 as const,
    disableClientInfo: true,
    connectionName: 'hopscope',
    // What a lost connection had under way is in doubt: the one who asked is told, and nothing is sent twice.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // A master that became a replica: look for the new one.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(target.tls ? { tls: { ...tls } } : {}),
  }
  if (target.mode === 'cluster') {
    const cluster = new Cluster([...addresses], {
      enableOfflineQueue: false,
      clusterRetryStrategy: pauseMs,
      clusterNodeRetryStrategy: pauseMs,
      slotsRefreshTimeout: connectTimeoutMs,
      redisOptions: common,
    })
    return cluster as unknown as RedisClient
  }
  const single = { ...common, db, enableOfflineQueue: false, retryStrategy: pauseMs }
  const redis =
    target.mode === 'single'
      ? new Redis({ ...single, ...addresses[0]! })
      : new Redis({
          ...single,
          sentinels: [...addresses],
          name: master,
          sentinelRetryStrategy: pauseMs,
          failoverDetector: true,
          enableTLSForSentinelMode: target.tls,
          ...(target.tls ? { sentinelTLS: { ...tls } } : {}),
          ...(sentinelPassword === null ? {} : { sentinelPassword }),
        })
  return redis as unknown as RedisClient
}

/** A server that evicts for want of memory forgets keys before their time. */
async function warnOfEviction(client: RedisClient, log: Logger): Promise<void> {
  try {
    const policy = /maxmemory_policy:(\S+)/.exec(await client.info('memory'))?.[1]
    if (policy === undefined || policy === 'noeviction') return
    log.warn({ store: 'redis', policy }, 'redis may forget keys before their time: set maxmemory-policy to noeviction')
  } catch {
    // INFO is not allowed everywhere, and this is advice.
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
