/**
 * Every setting, once. Defaults, the file, HOPSCOPE_… variables, flags, `--help`, docs/configuration.md and the JSON
 * schema are all read off this table.
 */
import * as z from 'zod'
import { type Command, INTERCEPT, SERVERS, SERVING } from './commands.ts'
import { aggregator } from './schema-aggregator.ts'
import { egress } from './schema-egress.ts'
import { grpc } from './schema-grpc.ts'
import { http2 } from './schema-http2.ts'
import { idempotency } from './schema-idempotency.ts'
import { injector, kubelet } from './schema-kubernetes.ts'
import { opaque } from './schema-opaque.ts'
import { recorder } from './schema-recorder.ts'
import { governor } from './schema-telemetry.ts'
import { tls, upstreamTls } from './schema-tls.ts'
import { group, optional, type Setting, setting, settingsOf } from './setting.ts'
import {
  addressPort,
  bool,
  bytes,
  cidr,
  duration,
  hostPattern,
  hostPort,
  hostPortOrOff,
  httpUrl,
  int,
  listOf,
  metadataMap,
  oneOf,
  ratio,
  text,
  textMap,
} from './values.ts'

const RULES = ['iptables'] as const
const port = int(1, 65535)
const MIB = 1024 * 1024

const serving = { commands: SERVING }
const live = { commands: SERVING, reloadable: true }

const addresses = {
  listen: setting(hostPort, {
    doc: 'Where the reverse proxy listens. Loopback by default, so that nothing is exposed unasked.',
    default: '127.0.0.1:8080',
    commands: ['proxy'],
  }),
  port: setting(int(0, 65535), {
    doc: 'Port for intercepted traffic (sidecar, every address) or for your browser (dev, loopback).',
    default: 15001,
    defaults: { dev: 4000 },
    commands: ['dev', 'sidecar', 'iptables'],
  }),
  target: setting(httpUrl('http://localhost:3000'), {
    doc: 'The server that `hopscope dev` stands before.',
    default: 'http://localhost:3000',
    commands: ['dev'],
  }),
  admin: setting(hostPortOrOff, {
    doc: 'Admin server: health, configuration, exchanges, drain, log level. Keep it on loopback: it can stop the proxy.',
    default: '127.0.0.1:15000',
    defaults: { dev: 'off' },
    commands: SERVING,
  }),
  metrics: setting(hostPortOrOff, {
    doc: 'Prometheus metrics at /metrics.',
    default: '0.0.0.0:9090',
    defaults: { dev: 'off', aggregator: '127.0.0.1:8889' },
    commands: [...SERVING, 'aggregator', 'injector'],
  }),
  concurrency: setting(int(1, 256), {
    doc: 'Processes that take traffic; one with TPROXY.',
    default: 1,
    commands: SERVERS,
  }),
}

const upstream = group({
  url: optional(httpUrl('http://10.0.0.5:8080'), {
    doc: 'The server that the reverse proxy stands before.',
    flag: '--upstream',
    commands: ['proxy'],
    requiredBy: ['proxy'],
  }),
  protocol: setting(oneOf('auto', 'http1', 'h2'), {
    doc: 'What the upstream is spoken to in. auto: with TLS what it chooses (ALPN); in clear text HTTP/1.1, but for gRPC HTTP/2, and in a sidecar what the client speaks.',
    default: 'auto',
    ...serving,
  }),
  reuse: setting(oneOf('client', 'after-first', 'always'), {
    doc: 'Who may use an upstream connection again: only the client that opened it; any client, except for a first request that could not be sent again; any client at once.',
    default: 'after-first',
    defaults: { sidecar: 'client' },
    commands: SERVING,
  }),
  tls: upstreamTls,
  idleMs: setting(duration(), {
    doc: 'How long an unused upstream connection is kept. Must be under the keep-alive timeout of the server, which is 5 s in Node.',
    default: 4000,
    ...serving,
  }),
  maxConnections: setting(int(1, 1_000_000), {
    doc: 'Connections to one upstream address at once.',
    default: 1024,
    ...serving,
  }),
  maxPending: setting(int(0, 1_000_000), {
    doc: 'Requests that may wait for a connection to one upstream address; more are answered 503.',
    default: 1024,
    ...serving,
  }),
  dnsServers: setting(listOf(addressPort, 16), {
    doc: 'DNS servers that are asked for names of upstreams, in place of the system (whose /etc/hosts and search domains do not count then).',
    default: [],
    ...serving,
  }),
})

const otlp = group({
  endpoint: optional(httpUrl('http://collector:4317'), {
    doc: 'OTLP/gRPC receiver of the spans; https:// for TLS. Unset: nothing is exported.',
    ...serving,
  }),
  endpoints: optional(listOf(httpUrl('http://collector:4317'), 32), {
    doc: 'Several receivers, in place of `otlp.endpoint`: each address of each name here is one (names are looked up every five seconds). All spans of a trace go to the same, by a hash of its id; while that one is away, to the next.',
    ...serving,
  }),
  enabled: setting(bool, {
    doc: 'false: no spans are exported, whatever the endpoint.',
    default: true,
    ...serving,
  }),
  headers: setting(metadataMap, {
    doc: 'gRPC metadata sent with every export.',
    default: {},
    secret: true,
    ...serving,
  }),
  compression: setting(oneOf('gzip', 'none'), {
    doc: 'Compression of exports. gzip saves nine tenths of the bytes and doubles the CPU of the telemetry thread.',
    default: 'none',
    ...serving,
  }),
  timeoutMs: setting(duration(), { doc: 'How long one export may take.', default: 10_000, ...serving }),
  queueBytes: setting(bytes(65_536, 1024 * MIB), {
    doc: 'Spans that wait for export, in bytes; more are dropped and counted.',
    default: 16 * MIB,
    ...serving,
  }),
  batchSpans: setting(int(1, 65_536), { doc: 'Spans in one export.', default: 1024, ...serving }),
  scheduleMs: setting(duration(), {
    doc: 'Longest wait of a span for its batch to fill.',
    default: 1000,
    ...serving,
  }),
  certificate: optional(text('a PEM file', 'file'), {
    doc: 'Certificate authorities that the receiver is checked against, in place of those of the runtime.',
    ...serving,
  }),
  clientCertificate: optional(text('a PEM file', 'file'), {
    doc: 'Certificate shown to the receiver (mTLS).',
    ...serving,
  }),
  clientKey: optional(text('a PEM file', 'file'), { doc: 'Private key of that certificate.', ...serving }),
})

const telemetry = {
  sample: setting(ratio, { doc: 'Share of new traces that are exported.', default: 1, ...live }),
  telemetry: group({ governor }),
  trace: group({
    parentBased: setting(bool, {
      doc: 'true: a request that comes with a trace keeps its sampling decision; false: `sample` decides for each.',
      default: true,
      ...serving,
    }),
    propagateTo: optional(listOf(hostPattern), {
      doc: 'Hosts that traceparent, tracestate, B3 and baggage, which may hold data of users, may be sent to; unset: all. X-Request-ID always is.',
      ...serving,
    }),
    b3: setting(oneOf('auto', 'off'), {
      doc: 'B3 trace headers: auto reads them and sends them on where they came in.',
      default: 'auto',
      ...serving,
    }),
  }),
  service: group({
    name: setting(text('a name'), {
      doc: 'service.name of the spans.',
      default: 'unknown_service:hopscope',
      ...serving,
    }),
  }),
  resource: group({
    attributes: setting(textMap, { doc: 'Further resource attributes of the spans.', default: {}, ...serving }),
  }),
  accessLog: setting(oneOf('off', 'errors', 'all'), {
    doc: 'Which exchanges are logged: none, failed ones (4xx made here, 5xx and broken off), or all.',
    default: 'errors',
    ...live,
  }),
  log: group({
    level: setting(oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'), {
      doc: 'Least level of log lines.',
      default: 'info',
      ...live,
      commands: [...SERVING, 'aggregator', 'injector'],
    }),
  }),
}

const limits = group({
  headBytes: setting(bytes(1024, MIB), {
    doc: 'Longest head of a request (431) or response (502).',
    default: 65_536,
    ...serving,
  }),
  headFields: setting(int(8, 10_000), { doc: 'Most header fields of a message.', default: 200, ...serving }),
  requestLineBytes: setting(bytes(256, MIB), {
    doc: 'Longest request line (414).',
    default: 16_384,
    ...serving,
  }),
  connections: setting(int(1, 1_000_000), {
    doc: 'Client connections at once; more are refused.',
    default: 10_000,
    ...serving,
  }),
  handshakes: setting(int(1, 1_000_000), {
    doc: 'TLS handshakes with clients at once; more are refused.',
    default: 1000,
    commands: SERVERS,
  }),
  connectionBufferBytes: setting(bytes(4096, 64 * MIB), {
    doc: 'Bytes held for one connection, each way, before the sender is paused.',
    default: 65_536,
    ...serving,
  }),
  chunkExtensionBytes: setting(bytes(0, 65_536), {
    doc: 'Chunk extensions of one message, together; they are read and dropped.',
    default: 4096,
    ...serving,
  }),
})

const timeouts = group({
  headMs: setting(duration(), { doc: 'First byte of a request to the end of its head.', default: 10_000, ...live }),
  bodyIdleMs: setting(duration(), { doc: 'Silence in the middle of a request body.', default: 60_000, ...live }),
  slowReaderMs: setting(duration(), {
    doc: 'How long a client may take no byte of its response.',
    default: 300_000,
    ...live,
  }),
  idleMs: setting(duration(), { doc: 'A client connection between requests.', default: 75_000, ...live }),
  detectMs: setting(duration(), {
    doc: 'Wait for the first bytes of a connection before it is forwarded unread.',
    default: 10_000,
    commands: ['sidecar'],
    reloadable: true,
  }),
  handshakeMs: setting(duration(), {
    doc: 'TLS handshake with a client, from the start of its connection.',
    default: 10_000,
    commands: SERVERS,
    reloadable: true,
  }),
  dnsMs: setting(duration(), { doc: 'Name resolution.', default: 5000, ...live }),
  connectMs: setting(duration(), {
    doc: 'TCP connect to the upstream; and the wait for a connection or stream to it that comes free.',
    default: 5000,
    ...live,
  }),
  tlsMs: setting(duration(), { doc: 'TLS handshake with the upstream.', default: 10_000, ...live }),
  firstByteMs: setting(duration(true), {
    doc: 'End of the request to the first byte of the response.',
    default: 0,
    ...live,
  }),
  upstreamHeadMs: setting(duration(), {
    doc: 'First byte of a response to the end of its head.',
    default: 10_000,
    ...live,
  }),
  responseIdleMs: setting(duration(), { doc: 'Silence in the middle of a response.', default: 300_000, ...live }),
  exchangeMs: setting(duration(true), { doc: 'A whole exchange.', default: 0, ...live }),
  drainMs: setting(duration(true), {
    doc: 'How long exchanges in flight may take to finish at shutdown.',
    default: 30_000,
    ...live,
  }),
})

const behaviour = {
  forwarded: group({
    mode: setting(oneOf('append', 'overwrite', 'off'), {
      doc: 'X-Forwarded-For, -Proto and -Host: add to what came, replace it (Forwarded and X-Real-IP too), or leave all as it is.',
      default: 'append',
      defaults: { sidecar: 'off' },
      commands: SERVING,
    }),
  }),
  altSvc: setting(oneOf('pass', 'strip'), {
    doc: 'Alt-Svc of responses, by which clients learn of HTTP/3: passed on, or taken out, so that they stay on TCP where they are seen.',
    default: 'pass',
    ...serving,
  }),
  connect: setting(oneOf('refuse', 'tunnel'), {
    doc: 'CONNECT requests: answered 405, or tunnelled.',
    default: 'refuse',
    ...serving,
  }),
}

const intercept = group({
  mode: setting(oneOf('redirect', 'tproxy'), {
    doc: 'How the kernel hands connections over.',
    default: 'redirect',
    commands: INTERCEPT,
  }),
  ports: setting(listOf(port, 15), {
    // 15 is what one iptables multiport match takes.
    doc: 'Destination ports that are intercepted, at most 15.',
    default: [80, 443],
    commands: RULES,
  }),
  opaquePorts: setting(listOf(port), {
    doc: 'Destination ports forwarded without reading.',
    default: [],
    commands: ['sidecar'],
  }),
  excludeInboundPorts: setting(listOf(port), {
    doc: 'Ports whose inbound connections are left alone.',
    default: [],
    commands: RULES,
  }),
  excludeOutboundPorts: setting(listOf(port), {
    doc: 'Ports whose outbound connections are left alone.',
    default: [],
    commands: RULES,
  }),
  excludeOutboundCidrs: setting(listOf(cidr), {
    doc: 'Destinations whose outbound connections are left alone.',
    default: [],
    commands: RULES,
  }),
  excludeUids: setting(listOf(int(0, 4_294_967_294)), {
    doc: 'Users whose outbound connections are left alone, beside the proxy user.',
    default: [],
    commands: RULES,
  }),
  proxyUid: setting(int(1, 4_294_967_294), {
    doc: 'User (and group) that the proxy runs as; its connections are never intercepted. Not root, not the user of the app.',
    default: 1337,
    commands: INTERCEPT,
  }),
  ipv6: setting(bool, { doc: 'Whether IPv6 is intercepted too.', default: true, commands: INTERCEPT }),
})

/** The whole configuration as zod sees it; unknown keys are refused at every level. */
export const configSchema = z.strictObject({
  ...addresses,
  upstream,
  otlp,
  recorder,
  ...telemetry,
  limits,
  timeouts,
  ...behaviour,
  egress,
  intercept,
  opaque,
  http2,
  grpc,
  tls,
  idempotency,
  aggregator,
  injector,
  kubelet,
})

type DeepReadonly<T> = T extends readonly (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T

/** The effective configuration, deeply frozen. */
export type Config = DeepReadonly<z.infer<typeof configSchema>>

/** Every setting in the order of the reference. */
export const SETTINGS: readonly Setting[] = settingsOf(configSchema)

/** The settings that a command reads. */
export function settingsFor(command: Command): readonly Setting[] {
  return SETTINGS.filter((one) => one.commands.includes(command))
}

export const settingByPath: ReadonlyMap<string, Setting> = new Map(SETTINGS.map((one) => [one.path, one]))
