/** Settings of `hopscope aggregator`. */
import { group, optional, setting } from './setting.ts'
import { bytes, duration, hostPort, hostPortOrOff, httpUrl, int, listOf, oneOf, ratio, text } from './values.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB
const own = { commands: ['aggregator'] as const }

export const aggregator = group({
  otlpGrpc: setting(hostPortOrOff, {
    doc: 'Where spans are taken by OTLP/gRPC.',
    default: '127.0.0.1:4317',
    flag: '--otlp-grpc',
    ...own,
  }),
  otlpHttp: setting(hostPortOrOff, {
    doc: 'Where spans are taken by OTLP/HTTP, at /v1/traces.',
    default: '127.0.0.1:4318',
    flag: '--otlp-http',
    ...own,
  }),
  ui: setting(hostPort, {
    doc: 'The page and the query API. They have no login: keep them on loopback or behind something that has.',
    default: '127.0.0.1:16686',
    flag: '--ui',
    ...own,
  }),
  dataDir: setting(text('a folder', 'dir'), {
    doc: 'Where spans are kept. Made where it is not there; one process at a time.',
    default: 'hopscope-data',
    flag: '--data-dir',
    ...own,
  }),
  clickhouse: optional(httpUrl('http://clickhouse:8123', true), {
    doc: 'A ClickHouse server that spans are written to as well, in the tables of the OpenTelemetry exporter; a path names the database. While it is away, spans wait, and then are refused.',
    flag: '--clickhouse',
    ...own,
  }),
  clickhouseUser: setting(text('a user name'), { doc: 'User of that server.', default: 'default', ...own }),
  clickhousePassword: optional(text('a password'), { doc: 'Password of that user.', secret: true, ...own }),
  walSync: setting(oneOf('always', 'second', 'never'), {
    doc: 'When acknowledged spans are forced to the disk itself: before the answer, within a second, or when the system sees fit. A killed process loses nothing in any of them; only `always` holds through a power cut.',
    default: 'always',
    ...own,
  }),
  sampling: group({
    share: setting(ratio, {
      doc: 'Share of healthy traces that is stored; those that failed or were slow are stored all. 1: everything is. Figures count each span for those that it stands for; diagnosis and metrics see all of them.',
      default: 1,
      ...own,
    }),
    slowMs: setting(duration(true), {
      doc: 'A trace with a span that took longer is stored.',
      default: 1000,
      ...own,
    }),
    slowTimes: setting(int(0, 1000), {
      doc: 'So is one with a request that took more than so many times what 99 % take at its route, once that is known. 0 switches it off.',
      default: 3,
      ...own,
    }),
    waitMs: setting(duration(), {
      doc: 'How long the spans of a trace are waited for before it is decided on. Figures over many spans lag by it, and segments of up to 23 MiB that came meanwhile stay in memory, 32 at most; with more, the first are decided on at once.',
      default: 5000,
      ...own,
    }),
  }),
  sealMs: setting(duration(), {
    doc: 'Longest time until received spans are handed to the store; figures over many spans lag by it.',
    default: 1000,
    ...own,
  }),
  segments: setting(int(2, 64), {
    doc: 'Segments of at most 23 MiB that wait in memory for the store; with all of them full, spans are refused.',
    default: 5,
    ...own,
  }),
  inFlightBytes: setting(bytes(8 * MIB, 4 * GIB), {
    doc: 'Bytes of requests that are on their way in, over all connections; more are refused.',
    default: 64 * MIB,
    ...own,
  }),
  databaseBytes: setting(bytes(64 * MIB, 64 * GIB), {
    doc: 'Memory of the database engine.',
    default: 96 * MIB,
    ...own,
  }),
  retentionHours: setting(int(1, 87_600, 'hours'), {
    doc: 'Spans are kept so long, to the length of one file (a 24th of it, at most six hours).',
    default: 72,
    ...own,
  }),
  retentionBytes: setting(bytes(64 * MIB, 1024 * 1024 * GIB), {
    doc: 'With more on disk than this the oldest spans go.',
    default: 20 * GIB,
    ...own,
  }),
  remoteWrite: optional(httpUrl('http://prometheus:9090/api/v1/write', true), {
    doc: 'Where the metrics are pushed to as well, by Prometheus remote write.',
    ...own,
  }),
  remoteWriteMs: setting(duration(), { doc: 'How often they are pushed.', default: 15_000, ...own }),
  webhook: optional(httpUrl('https://alerts.example/hook', true), {
    doc: 'Where incidents are posted as JSON when they open, get another first cause, or are over.',
    ...own,
  }),
  syslog: optional(hostPort, {
    doc: 'Where incidents are sent as syslog (RFC 5424), a datagram each.',
    ...own,
  }),
  snmpTrap: optional(hostPort, { doc: 'Where incidents are sent as SNMPv2c traps.', ...own }),
  snmpCommunity: setting(text('a community'), {
    doc: 'Community of those traps.',
    default: 'public',
    secret: true,
    ...own,
  }),
  bearerToken: optional(text('a token'), {
    doc: 'Senders must show `authorization: Bearer` with it.',
    secret: true,
    ...own,
  }),
  tlsCertificate: optional(text('a PEM file', 'file'), {
    doc: 'Certificate of the OTLP listeners; with it they speak TLS alone.',
    ...own,
  }),
  tlsKey: optional(text('a PEM file', 'file'), { doc: 'Private key of that certificate.', ...own }),
  tlsClientAuthorities: optional(text('a PEM file', 'file'), {
    doc: 'Authorities of client certificates, which senders must then show (mTLS).',
    ...own,
  }),
  maxConnectionAgeMs: setting(duration(true), {
    doc: 'Age at which a gRPC connection is told to go, so that senders spread over instances.',
    default: 600_000,
    ...own,
  }),
  replicas: setting(listOf(hostPort, 32), {
    doc: 'All aggregators of a fleet, this one included, by `aggregator.replicaListen`; each address of a name is one (names are looked up every five seconds). Any of them then answers for all.',
    default: [],
    flag: '--replicas',
    ...own,
  }),
  replicaListen: setting(hostPortOrOff, {
    doc: 'Where the others of the fleet ask this one; by TLS where `aggregator.tlsCertificate` is given.',
    default: 'off',
    flag: '--replica-listen',
    ...own,
  }),
  replicaToken: optional(text('a token'), {
    doc: 'Aggregators of a fleet show it to each other; the same for all.',
    secret: true,
    ...own,
  }),
  replicaAuthorities: optional(text('a PEM file', 'file'), {
    doc: 'Certificate authorities that the others are checked against, in place of those of the runtime.',
    ...own,
  }),
  replicaTimeoutMs: setting(duration(), {
    doc: 'What a query waits for another aggregator; without it the answer names what is missing.',
    default: 5000,
    ...own,
  }),
})
