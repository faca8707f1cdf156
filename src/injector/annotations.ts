/** The annotations of a pod: which setting each stands for, and what is wrong with a value. */
import { settingByPath } from '../config/schema.ts'
import { imageReference, quantity } from '../config/schema-kubernetes.ts'
import type { ValueKind } from '../config/values.ts'

export const PREFIX = 'hopscope.io/'
/** `enabled` or `disabled`; a label of the same name on the namespace, or on the pod, says the same. */
export const INJECT = `${PREFIX}inject`
/** What was injected; only the injector writes it. */
export const STATUS = `${PREFIX}status`
/** Label of pods that were injected, for monitors and policies to select. */
export const INJECTED_LABEL = `${PREFIX}injected`

/** Annotation (without prefix) → setting of the sidecar. */
export const SETTING_OF: Readonly<Record<string, string>> = {
  ports: 'intercept.ports',
  'exclude-inbound-ports': 'intercept.excludeInboundPorts',
  'exclude-outbound-ports': 'intercept.excludeOutboundPorts',
  'exclude-outbound-cidrs': 'intercept.excludeOutboundCidrs',
  'exclude-uids': 'intercept.excludeUids',
  ipv6: 'intercept.ipv6',
  'opaque-ports': 'intercept.opaquePorts',
  concurrency: 'concurrency',
  aggregator: 'otlp.endpoints',
  idempotency: 'idempotency.mode',
  'idempotency-store': 'idempotency.store',
  sample: 'sample',
  'access-log': 'accessLog',
  'log-level': 'log.level',
  'drain-ms': 'timeouts.drainMs',
  'service-name': 'service.name',
}

/** Annotation → what the containers get by it. */
export interface Overrides {
  image?: string
  cpuRequest?: string
  cpuLimit?: string
  memoryRequest?: string
  memoryLimit?: string
  /** Whether probes at intercepted ports go to the app past the proxy. */
  rewriteProbes?: boolean
  nativeSidecar?: boolean
}

const yesNo = {
  expects: 'true or false',
  fromText: (text: string): boolean | undefined => (text === 'true' ? true : text === 'false' ? false : undefined),
}
const ofKind = (kind: ValueKind): Reader => ({
  expects: kind.expects,
  fromText: (text) => (kind.zod.safeParse(kind.fromText(text)).success ? text : undefined),
})

interface Reader {
  readonly expects: string
  /** Undefined for a bad value. */
  readonly fromText: (text: string) => string | boolean | undefined
}

const OVERRIDE_OF: Readonly<Record<string, readonly [keyof Overrides, Reader]>> = {
  image: ['image', ofKind(imageReference)],
  'cpu-request': ['cpuRequest', ofKind(quantity)],
  'cpu-limit': ['cpuLimit', ofKind(quantity)],
  'memory-request': ['memoryRequest', ofKind(quantity)],
  'memory-limit': ['memoryLimit', ofKind(quantity)],
  'rewrite-probes': ['rewriteProbes', yesNo],
  'native-sidecar': ['nativeSidecar', yesNo],
}

/** All annotations that a pod may bear. */
export const ANNOTATIONS: readonly string[] = ['inject', ...Object.keys(SETTING_OF), ...Object.keys(OVERRIDE_OF)]

/** What the annotations of a pod say. */
export interface Annotated {
  /** Text of settings by path, each good by itself. */
  readonly settings: ReadonlyMap<string, string>
  readonly overrides: Readonly<Overrides>
  /** One sentence an annotation that cannot be used. */
  readonly faults: readonly string[]
}

/** Reads the annotations; those of others are passed over, unknown ones of ours are faults. */
export function readAnnotations(annotations: Readonly<Record<string, string>>): Annotated {
  const settings = new Map<string, string>()
  const overrides: Overrides = {}
  const faults: string[] = []
  for (const [name, text] of Object.entries(annotations)) {
    if (!name.startsWith(PREFIX) || name === STATUS) continue
    const short = name.slice(PREFIX.length)
    const expects = short === 'inject' ? inject(text) : read(short, text, settings, overrides)
    if (expects !== '') faults.push(`${name}: ${JSON.stringify(text.slice(0, 100))} is not ${expects}`)
  }
  return { settings, overrides, faults }
}

const inject = (text: string): string => (/^(enabled|disabled)$/.test(text) ? '' : 'enabled or disabled')

/** Takes one annotation in; what was expected where it cannot be used, else ''. */
function read(short: string, text: string, settings: Map<string, string>, overrides: Overrides): string {
  if (Object.hasOwn(SETTING_OF, short)) {
    const path = SETTING_OF[short]!
    const { kind } = settingByPath.get(path)!
    if (text === '' || !kind.zod.safeParse(kind.fromText(text)).success) return kind.expects
    settings.set(path, text)
    return ''
  }
  if (!Object.hasOwn(OVERRIDE_OF, short)) return `known: there are ${ANNOTATIONS.join(', ')}`
  const [key, { expects, fromText }] = OVERRIDE_OF[short]!
  const value = fromText(text)
  if (value === undefined) return expects
  Object.assign(overrides, { [key]: value })
  return ''
}
