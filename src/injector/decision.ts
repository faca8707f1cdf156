/** Whether a pod gets a sidecar, and why not. Pure. */
import { idempotencyFaults } from '../config/idempotency-checks.ts'
import type { Effective } from '../config/layer.ts'
import { settingByPath } from '../config/schema.ts'
import { INJECT, type Overrides, readAnnotations, STATUS } from './annotations.ts'
import { INIT_NAME, type InjectionOptions, PROXY_NAME, PROXY_PORT, PROXY_UID } from './options.ts'
import { allContainers, type Pod, type SecurityContext } from './pod.ts'

/** Stable names: labels of metrics, reasons of Events. */
export type SkipReason =
  | 'not-asked'
  | 'disabled'
  | 'excluded-namespace'
  | 'already-injected'
  | 'mirror-pod'
  | 'windows'
  | 'host-network'
  | 'uid-clash'
  | 'name-clash'
  | 'port-clash'
  | 'job-without-native-sidecars'
  | 'bad-annotation'

export type Decision =
  | {
      readonly inject: true
      /** Text of settings of the sidecar by path. */
      readonly settings: ReadonlyMap<string, string>
      readonly overrides: Readonly<Overrides>
      readonly native: boolean
    }
  | {
      readonly inject: false
      readonly reason: SkipReason
      /** For the user, where they would be surprised; '' where they asked for it. */
      readonly message: string
      readonly denied: boolean
    }

export interface Admission {
  readonly pod: Pod
  readonly namespace: string
  /** What holds where the pod says nothing: its namespace was selected, or not. */
  readonly asked: boolean
}

export function decide(admission: Admission, options: InjectionOptions): Decision {
  const { pod } = admission
  const early = notWanted(admission, options) ?? notPossible(pod, options)
  if (early !== undefined) return early
  const { settings, overrides, faults } = readAnnotations(pod.metadata.annotations ?? {})
  const effective = effectiveSettings(settings, options)
  const all = faults.length > 0 ? faults : togetherFaults(effective)
  if (all.length > 0) {
    const message = `hopscope: no sidecar was injected: ${all.join('; ')}`
    return { inject: false, reason: 'bad-annotation', message, denied: options.onBadAnnotation === 'deny' }
  }
  const native = options.nativeSidecars && overrides.nativeSidecar !== false
  if (!native && pod.spec.restartPolicy !== undefined && pod.spec.restartPolicy !== 'Always') {
    return surprising(
      'job-without-native-sidecars',
      `its restartPolicy is ${pod.spec.restartPolicy}, and without native sidecars (Kubernetes 1.29) the proxy would keep the pod from ever ending`,
    )
  }
  return { inject: true, settings: effective, overrides, native }
}

const quiet = (reason: SkipReason): Decision => ({ inject: false, reason, message: '', denied: false })
const surprising = (reason: SkipReason, why: string): Decision => ({
  inject: false,
  reason,
  message: `hopscope: no sidecar was injected: ${why}`,
  denied: false,
})

function notWanted({ pod, namespace, asked }: Admission, options: InjectionOptions): Decision | undefined {
  const { labels, annotations } = pod.metadata
  if (options.excludedNamespaces.includes(namespace)) return quiet('excluded-namespace')
  // The pod's own word goes before its namespace's, and the annotation before the label.
  const own = annotations?.[INJECT] ?? labels?.[INJECT]
  if (own === 'disabled') return quiet('disabled')
  if (own === undefined && !asked) return quiet('not-asked')
  if (annotations?.['kubernetes.io/config.mirror'] !== undefined) return quiet('mirror-pod')
  const names = allContainers(pod).map(({ name }) => name)
  // The status alone proves nothing: a pod restored from a backup may bear it, without the containers.
  if (annotations?.[STATUS] !== undefined && names.includes(PROXY_NAME)) return quiet('already-injected')
  return undefined
}

function notPossible(pod: Pod, options: InjectionOptions): Decision | undefined {
  const { spec } = pod
  if (spec.os?.name === 'windows' || spec.nodeSelector?.['kubernetes.io/os'] === 'windows') {
    return surprising('windows', 'the pod is for Windows')
  }
  if (spec.hostNetwork === true) {
    return surprising('host-network', 'with hostNetwork the rules would catch the traffic of the whole node')
  }
  const containers = allContainers(pod)
  const named = containers.find(({ name }) => name === PROXY_NAME || name === INIT_NAME)
  if (named !== undefined) return surprising('name-clash', `it has a container ${named.name} already`)
  const clash = containers.find(({ securityContext }) => runsAsProxy(securityContext, spec.securityContext))
  if (clash !== undefined) {
    return surprising(
      'uid-clash',
      `container ${clash.name} runs as user or group ${PROXY_UID}, the proxy's: its calls would not be seen`,
    )
  }
  const ours = [PROXY_PORT, options.metricsPort, options.kubeletPort]
  const port = containers.flatMap(({ ports }) => ports ?? []).find(({ containerPort }) => ours.includes(containerPort))
  if (port !== undefined) return surprising('port-clash', `port ${port.containerPort} of a container is the proxy's`)
  return undefined
}

function runsAsProxy(own: SecurityContext | undefined, pod: SecurityContext | undefined): boolean {
  const user = own?.runAsUser ?? pod?.runAsUser
  const group = own?.runAsGroup ?? pod?.runAsGroup
  return user === PROXY_UID || group === PROXY_UID
}

/** Annotations over the sidecars' common settings. */
function effectiveSettings(own: ReadonlyMap<string, string>, options: InjectionOptions): Map<string, string> {
  const settings = new Map(options.sidecarSettings)
  const named = settings.has('otlp.endpoint') || settings.has('otlp.endpoints')
  if (options.aggregator !== undefined && !named) settings.set('otlp.endpoints', options.aggregator)
  // It would name another receiver beside the pod's own.
  if (own.has('otlp.endpoints')) settings.delete('otlp.endpoint')
  for (const [path, text] of own) settings.set(path, text)
  const asked = own.get('idempotency.mode')
  // Asked for without a store: each pod keeps its own answers.
  if (asked !== undefined && asked !== 'off' && !settings.has('idempotency.store')) {
    settings.set('idempotency.store', 'memory')
  }
  return settings
}

/** Settings that are good one by one and not together: the sidecar would not start. */
function togetherFaults(settings: ReadonlyMap<string, string>): string[] {
  const values = new Map<string, Effective>()
  for (const path of ['concurrency', 'idempotency.store', 'idempotency.mode', 'idempotency.routes']) {
    const text = settings.get(path)
    if (text === undefined) continue
    const { kind } = settingByPath.get(path)!
    const value = kind.fromText(text)
    values.set(path, { value, parsed: kind.zod.parse(value), origin: 'annotation' })
  }
  const faults = idempotencyFaults('sidecar', values).map(({ path, expected }) => `${path}: expected ${expected}`)
  const ports = interceptedPorts(settings)
  if (ports.includes(PROXY_PORT)) faults.push(`intercept.ports: ${PROXY_PORT} is the port of the proxy itself`)
  if (ports.length === 0) faults.push('intercept.ports: there must be one at least')
  return faults
}

const numbers = (text: string): number[] => text.split(',').flatMap((one) => (one.trim() === '' ? [] : [Number(one)]))

export function interceptedPorts(settings: ReadonlyMap<string, string>): number[] {
  return numbers(settings.get('intercept.ports') ?? '80,443')
}

/** Ports whose inbound connections go to the proxy. */
export function inboundPorts(settings: ReadonlyMap<string, string>): number[] {
  const excluded = numbers(settings.get('intercept.excludeInboundPorts') ?? '')
  return interceptedPorts(settings).filter((port) => !excluded.includes(port))
}
