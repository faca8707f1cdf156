/** The two containers that are injected. Pure. */
import { settingByPath } from '../config/schema.ts'
import type { Decision } from './decision.ts'
import { INIT_NAME, type InjectionOptions, PROGRAM, PROXY_NAME, PROXY_UID, RULES_PROGRAM } from './options.ts'
import type { Container, Pod } from './pod.ts'
import type { RewrittenProbe } from './probes.ts'
import { resourceAttributes, serviceName } from './workload.ts'

type Injection = Extract<Decision, { inject: true }>
interface Variable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: object
}

const variable = (path: string, value: string): Variable => ({ name: settingByPath.get(path)!.env, value })

/** Whether a command reads a setting. */
const reads = (command: 'iptables' | 'sidecar', path: string): boolean =>
  settingByPath.get(path)!.commands.includes(command)

/** Writes the rules, and ends. The only one that is root, with the two capabilities that iptables needs. */
export function initContainer(injection: Injection, options: InjectionOptions): Container {
  const env = [...injection.settings]
    .filter(([path]) => reads('iptables', path))
    .map(([path, text]) => variable(path, text))
  return {
    name: INIT_NAME,
    ...imageOf(injection, options),
    command: RULES_PROGRAM,
    // iptables-legacy wants a lock file, and the root is read-only.
    env: [...env, { name: 'XTABLES_LOCKFILE', value: '/dev/shm/xtables.lock' }],
    resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
    securityContext: {
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
  }
}

/** The proxy: an init container that goes on running, or an ordinary one that the others wait for. */
export function proxyContainer(
  pod: Pod,
  injection: Injection,
  probes: readonly RewrittenProbe[],
  options: InjectionOptions,
): Container {
  const { native } = injection
  const ready = { httpGet: { path: '/ready', port: options.kubeletPort, scheme: 'HTTP' } }
  return {
    name: PROXY_NAME,
    ...imageOf(injection, options),
    ...(native && { restartPolicy: 'Always' }),
    command: [...PROGRAM, 'sidecar'],
    env: [...identity(pod, injection), ...settings(injection, probes, options)],
    ports: [{ name: 'hopscope-metric', containerPort: options.metricsPort, protocol: 'TCP' }],
    resources: resources(injection, options),
    ...(native && { startupProbe: { ...ready, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 120 } }),
    readinessProbe: { ...ready, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 3 },
    lifecycle: lifecycle(pod, native),
    securityContext: {
      runAsUser: PROXY_UID,
      runAsGroup: PROXY_UID,
      runAsNonRoot: true,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
  }
}

function imageOf({ overrides }: Injection, options: InjectionOptions): { image: string; imagePullPolicy: string } {
  return { image: overrides.image ?? options.image, imagePullPolicy: options.imagePullPolicy }
}

function resources({ overrides, settings }: Injection, options: InjectionOptions): object {
  const cpuLimit = overrides.cpuLimit ?? options.cpuLimit
  const processes = Number(settings.get('concurrency') ?? 1)
  return {
    requests: {
      cpu: overrides.cpuRequest ?? options.cpuRequest,
      memory: overrides.memoryRequest ?? times(options.memoryRequest, processes),
    },
    limits: {
      memory: overrides.memoryLimit ?? times(options.memoryLimit, processes),
      ...(cpuLimit !== undefined && { cpu: cpuLimit }),
    },
  }
}

function times(quantity: string, factor: number): string {
  const [, number, unit] = /^([\d.]+)(.*)$/.exec(quantity)!
  return `${Number(number) * factor}${unit}`
}

const field = (name: string, fieldPath: string): Variable => ({
  name,
  valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } },
})

/** Who the pod is, by the downward API. What `$(…)` refers to must stand before it. */
function identity(pod: Pod, { settings }: Injection): Variable[] {
  const name = settings.get('service.name') ?? serviceName(pod)
  return [
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('POD_UID', 'metadata.uid'),
    field('POD_IP', 'status.podIP'),
    field('NODE_NAME', 'spec.nodeName'),
    { name: 'OTEL_RESOURCE_ATTRIBUTES', value: resourceAttributes(pod) },
    ...(name === undefined ? [] : [{ name: 'OTEL_SERVICE_NAME', value: literal(name) }]),
  ]
}

/** Text that the kubelet shall not take for a reference to a variable. */
const literal = (text: string): string => text.replaceAll('$(', () => '$$(')

function settings(
  injection: Injection,
  probes: readonly RewrittenProbe[],
  options: InjectionOptions,
): readonly Variable[] {
  const own = new Map<string, string>([
    // Both families: which of them the pod has is not known yet.
    ['metrics', `[::]:${options.metricsPort}`],
    ['kubelet.listen', `[::]:${options.kubeletPort}`],
    ['kubelet.podIp', '$(POD_IP)'],
  ])
  if (probes.length > 0) {
    const table = Object.fromEntries(probes.map(({ container, kind, original }) => [`${container}/${kind}`, original]))
    own.set('kubelet.probes', literal(JSON.stringify(table)))
  }
  const given = [...injection.settings]
    .filter(([path]) => reads('sidecar', path) && path !== 'service.name')
    .map(([path, text]) => [path, literal(text)] as const)
  return [...given, ...own].map(([path, text]) => variable(path, text))
}

/**
 * preStop runs when the pod starts to end. A native sidecar gets its SIGTERM after the app is gone, and only has to tell
 * clients to go elsewhere; an ordinary one gets it at once with the app, and holds it back to serve the app's last calls.
 */
function lifecycle({ spec }: Pod, native: boolean): object {
  if (native) return { preStop: { exec: { command: [...PROGRAM, 'drain'] } } }
  const graceMs = (spec.terminationGracePeriodSeconds ?? 30) * 1000
  const holdMs = Math.max(0, Math.min(5000, Math.floor(graceMs / 3)))
  return {
    postStart: { exec: { command: [...PROGRAM, 'wait'] } },
    preStop: { exec: { command: [...PROGRAM, 'drain', '--hold-ms', String(holdMs)] } },
  }
}
