/** From a pod to the JSON patch (RFC 6902) that gives it a sidecar. Pure. */
import { INJECTED_LABEL, STATUS } from './annotations.ts'
import { initContainer, proxyContainer } from './containers.ts'
import { type Decision, inboundPorts } from './decision.ts'
import { INIT_NAME, type InjectionOptions, PROXY_NAME } from './options.ts'
import type { Container, Pod } from './pod.ts'
import { probeField, type RewrittenProbe, rewriteProbes } from './probes.ts'

export interface PatchOperation {
  readonly op: 'add' | 'replace'
  readonly path: string
  readonly value: unknown
}

/** Operations in the order in which they have to be applied. */
export function injectionPatch(
  pod: Pod,
  injection: Extract<Decision, { inject: true }>,
  options: InjectionOptions,
): PatchOperation[] {
  const probes = injection.overrides.rewriteProbes === false ? [] : rewrittenProbes(pod, injection, options)
  const init = initContainer(injection, options)
  const proxy = proxyContainer(pod, injection, probes, options)
  return [
    // Before anything moves the containers' places.
    ...probes.map(({ path, probe }) => ({ op: 'replace' as const, path, value: probe })),
    ...(injection.native ? nativeOperations(pod, init, proxy) : classicOperations(pod, init, proxy)),
    ...marks(pod, injection.native),
  ]
}

/** With its place in the pod: names of containers may repeat until the API server has looked at them. */
interface PlacedProbe extends RewrittenProbe {
  readonly path: string
}

function rewrittenProbes(
  { spec }: Pod,
  { settings }: Extract<Decision, { inject: true }>,
  { kubeletPort }: InjectionOptions,
): PlacedProbe[] {
  const ports = inboundPorts(settings)
  const intercepted = (port: number): boolean => ports.includes(port)
  return (['containers', 'initContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).flatMap((one, index) =>
      rewriteProbes(one, intercepted, kubeletPort).map((rewritten) => ({
        ...rewritten,
        path: `/spec/${list}/${index}/${probeField(rewritten.kind)}`,
      })),
    ),
  )
}

/** Rules, then the proxy, then the pod's own init containers: these are seen, and can call out, from the start. */
function nativeOperations({ spec }: Pod, init: Container, proxy: Container): PatchOperation[] {
  if ((spec.initContainers ?? []).length === 0) return [add('/spec/initContainers', [init, proxy])]
  return [add('/spec/initContainers/0', init), add('/spec/initContainers/1', proxy)]
}

/** The rules come last of the init containers, which would find no proxy behind them; the proxy is the first container. */
function classicOperations({ spec }: Pod, init: Container, proxy: Container): PatchOperation[] {
  const rules = (spec.initContainers ?? []).length === 0
  return [
    rules ? add('/spec/initContainers', [init]) : add('/spec/initContainers/-', init),
    add('/spec/containers/0', proxy),
  ]
}

function marks({ metadata, spec }: Pod, native: boolean): PatchOperation[] {
  const status = JSON.stringify({ containers: [INIT_NAME, PROXY_NAME], native })
  const first = spec.containers[0]?.name
  const annotations: Record<string, string> = { [STATUS]: status }
  // `kubectl logs` and `exec` would choose the proxy where it is the first container.
  for (const name of ['kubectl.kubernetes.io/default-container', 'kubectl.kubernetes.io/default-logs-container']) {
    if (first !== undefined && metadata.annotations?.[name] === undefined) annotations[name] = first
  }
  return [
    ...members('/metadata/annotations', metadata.annotations, annotations),
    ...members('/metadata/labels', metadata.labels, { [INJECTED_LABEL]: 'true' }),
  ]
}

function members(path: string, existing: object | undefined | null, wanted: Record<string, string>): PatchOperation[] {
  if (existing == null) return [add(path, wanted)]
  return Object.entries(wanted).map(([name, value]) => add(`${path}/${pointerToken(name)}`, value))
}

const add = (path: string, value: unknown): PatchOperation => ({ op: 'add', path, value })
/** RFC 6901 §3. */
const pointerToken = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')
