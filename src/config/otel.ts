/**
 * OpenTelemetry's standard variables as a layer beneath HOPSCOPE_… ones. Its rules: empty is unset, a boolean is true
 * only as "true", enums are taken in any case, a value that cannot be used is warned of and ignored. They are often set
 * for the whole pod, with the app in mind, so a bad one never keeps the proxy from starting.
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
import type { Env } from './environment.ts'
import { emptyLayer, type Layer } from './layer.ts'
import { settingByPath } from './schema.ts'
import { isHttpUrl, parseTextMap } from './values.ts'

/** Reads OTEL_… variables. */
export function readOtelEnvironment(env: Env): Layer {
  const reader = new OtelReader(env)
  readExporter(reader)
  readResource(reader)
  readSampler(reader)
  readSwitches(reader)
  return reader.layer
}

class OtelReader {
  readonly layer: Layer = emptyLayer()
  readonly #env: Env

  constructor(env: Env) {
    this.#env = env
  }

  /** The trimmed value, undefined where unset or empty. */
  get(name: string): string | undefined {
    const text = this.#env[name]?.trim()
    return text === '' ? undefined : text
  }

  /** Like {@link get}, of a variable that names one of few. */
  word(name: string): string | undefined {
    return this.get(name)?.toLowerCase()
  }

  give(path: string, value: unknown, origin: string): void {
    this.layer.given.push({ setting: settingByPath.get(path)!, value, origin })
  }

  /** Gives a value if the setting takes it, else warns. */
  giveIfValid(path: string, value: unknown, origin: string): void {
    const { kind } = settingByPath.get(path)!
    if (kind.zod.safeParse(value).success) this.give(path, value, origin)
    else this.ignored(origin, `expected ${kind.expects}`)
  }

  /** Values are not shown: headers and endpoints may hold secrets. */
  ignored(origin: string, why: string): void {
    this.layer.warnings.push(`${origin} is ignored: ${why}`)
  }

  /** The name that is set: the variable for traces goes before the general one. */
  exporter(suffix: string): string | undefined {
    const names = [`OTEL_EXPORTER_OTLP_TRACES_${suffix}`, `OTEL_EXPORTER_OTLP_${suffix}`]
    return names.find((name) => this.get(name) !== undefined)
  }
}

function readExporter(reader: OtelReader): void {
  readEndpoint(reader)
  const protocol = reader.exporter('PROTOCOL')
  if (protocol !== undefined && reader.word(protocol) !== 'grpc') {
    reader.ignored(protocol, 'spans are sent by grpc only')
  }
  const headers = reader.exporter('HEADERS')
  if (headers !== undefined) reader.giveIfValid('otlp.headers', parseTextMap(reader.get(headers)!), headers)
  const compression = reader.exporter('COMPRESSION')
  if (compression !== undefined) reader.giveIfValid('otlp.compression', reader.word(compression)!, compression)
  giveText(reader, 'otlp.certificate', reader.exporter('CERTIFICATE'))
  giveText(reader, 'otlp.clientKey', reader.exporter('CLIENT_KEY'))
  giveText(reader, 'otlp.clientCertificate', reader.exporter('CLIENT_CERTIFICATE'))
  giveNumber(reader, 'otlp.timeoutMs', reader.exporter('TIMEOUT'))
  giveNumber(reader, 'otlp.scheduleMs', 'OTEL_BSP_SCHEDULE_DELAY')
  giveNumber(reader, 'otlp.batchSpans', 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE')
  if (reader.get('OTEL_BSP_MAX_QUEUE_SIZE') !== undefined) {
    reader.ignored('OTEL_BSP_MAX_QUEUE_SIZE', 'the queue is bounded in bytes, by otlp.queueBytes')
  }
}

/** gRPC endpoints may come without a scheme; only then does INSECURE decide. */
function readEndpoint(reader: OtelReader): void {
  const name = reader.exporter('ENDPOINT')
  if (name === undefined) return
  const text = reader.get(name)!
  const insecure = isTrue(reader.get(reader.exporter('INSECURE') ?? ''))
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${insecure ? 'http' : 'https'}://${text}`
  // The general endpoint may carry a path meant for OTLP/HTTP; gRPC has no use for it.
  if (isHttpUrl(url, true)) reader.give('otlp.endpoint', new URL(url).origin, name)
  else reader.ignored(name, 'expected a URL such as http://collector:4317, without user or query')
}

function giveText(reader: OtelReader, path: string, name: string | undefined): void {
  const text = name === undefined ? undefined : reader.get(name)
  if (text !== undefined) reader.giveIfValid(path, text, name!)
}

function giveNumber(reader: OtelReader, path: string, name: string | undefined): void {
  const text = name === undefined ? undefined : reader.get(name)
  if (text !== undefined) reader.giveIfValid(path, settingByPath.get(path)!.kind.fromText(text), name!)
}

/** OTEL_SERVICE_NAME goes before service.name in OTEL_RESOURCE_ATTRIBUTES. */
function readResource(reader: OtelReader): void {
  const text = reader.get('OTEL_RESOURCE_ATTRIBUTES')
  const attributes = text === undefined ? {} : parseTextMap(text)
  if (attributes === undefined) reader.ignored('OTEL_RESOURCE_ATTRIBUTES', 'expected name=value,name=value')
  const { 'service.name': named, ...others } = attributes ?? {}
  if (Object.keys(others).length > 0) reader.give('resource.attributes', others, 'OTEL_RESOURCE_ATTRIBUTES')
  const name = reader.get('OTEL_SERVICE_NAME')
  if (name !== undefined) reader.give('service.name', name, 'OTEL_SERVICE_NAME')
  else if (named !== undefined && named !== '') reader.give('service.name', named, 'OTEL_RESOURCE_ATTRIBUTES')
}

const SAMPLER = 'OTEL_TRACES_SAMPLER'
const SAMPLER_ARG = 'OTEL_TRACES_SAMPLER_ARG'

function readSampler(reader: OtelReader): void {
  const sampler = reader.word(SAMPLER)
  if (sampler === undefined) return
  const match = /^(parentbased_)?(always_on|always_off|traceidratio)$/.exec(sampler)
  if (match === null) {
    reader.ignored(SAMPLER, 'expected always_on, always_off or traceidratio, or one of them after parentbased_')
    return
  }
  reader.give('trace.parentBased', match[1] !== undefined, SAMPLER)
  if (match[2] !== 'traceidratio') reader.give('sample', match[2] === 'always_on' ? 1 : 0, SAMPLER)
  else if (reader.get(SAMPLER_ARG) === undefined) reader.give('sample', 1, SAMPLER)
  else giveNumber(reader, 'sample', SAMPLER_ARG)
}

function readSwitches(reader: OtelReader): void {
  if (isTrue(reader.get('OTEL_SDK_DISABLED'))) reader.give('otlp.enabled', false, 'OTEL_SDK_DISABLED')
  readTracesExporter(reader)
  readPropagators(reader)
  const level = reader.word('OTEL_LOG_LEVEL')
  if (level !== undefined) reader.giveIfValid('log.level', LOG_LEVELS[level] ?? level, 'OTEL_LOG_LEVEL')
}

const LOG_LEVELS: Readonly<Record<string, string>> = { none: 'silent', verbose: 'trace', all: 'trace' }

function readTracesExporter(reader: OtelReader): void {
  const exporters = reader
    .word('OTEL_TRACES_EXPORTER')
    ?.split(',')
    .map((name) => name.trim())
  if (exporters === undefined || exporters.includes('otlp')) return
  if (exporters.includes('none')) reader.give('otlp.enabled', false, 'OTEL_TRACES_EXPORTER')
  else reader.ignored('OTEL_TRACES_EXPORTER', 'expected otlp or none')
}

/** W3C headers and baggage always pass; only B3 can be chosen. */
function readPropagators(reader: OtelReader): void {
  const names = reader
    .word('OTEL_PROPAGATORS')
    ?.split(',')
    .map((name) => name.trim())
  if (names === undefined) return
  const hasB3 = names.includes('b3') || names.includes('b3multi')
  reader.give('trace.b3', hasB3 ? 'auto' : 'off', 'OTEL_PROPAGATORS')
  const others = names.filter((name) => !['tracecontext', 'baggage', 'b3', 'b3multi'].includes(name))
  if (others.length > 0) {
    reader.layer.warnings.push(`OTEL_PROPAGATORS: ${others.join(', ')}: not known here, tracecontext stays on`)
  }
}

const isTrue = (text: string | undefined): boolean => text?.toLowerCase() === 'true'
