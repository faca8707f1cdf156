/** What a pod is called in telemetry: its service, and the resource attributes of OpenTelemetry's conventions for Kubernetes. */
import type { OwnerReference, Pod } from './pod.ts'

/** `service.name`: what an annotation or a customary label says, else the workload's name. */
export function serviceName(pod: Pod): string | undefined {
  const labels = pod.metadata.labels ?? {}
  const annotations = pod.metadata.annotations ?? {}
  return (
    annotations['resource.opentelemetry.io/service.name'] ??
    labels['app.kubernetes.io/name'] ??
    labels.app ??
    labels['k8s-app'] ??
    workload(pod)?.name ??
    pod.metadata.name ??
    pod.metadata.generateName?.replace(/-$/, '') ??
    pod.spec.containers[0]?.name
  )
}

/** The object that people wrote: a Deployment for its ReplicaSet's pods, a CronJob for its Job's where the names tell. */
export function workload({ metadata }: Pod): { readonly kind: string; readonly name: string } | undefined {
  const owner = controller(metadata.ownerReferences)
  if (owner === undefined) return undefined
  const hash = metadata.labels?.['pod-template-hash']
  if (owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)) {
    return { kind: 'Deployment', name: owner.name.slice(0, -hash.length - 1) }
  }
  return { kind: owner.kind, name: owner.name }
}

export function controller(owners: readonly OwnerReference[] | undefined | null): OwnerReference | undefined {
  return owners?.find((one) => one.controller === true) ?? owners?.[0]
}

const ATTRIBUTE_OF: Readonly<Record<string, string>> = {
  Deployment: 'k8s.deployment.name',
  ReplicaSet: 'k8s.replicaset.name',
  StatefulSet: 'k8s.statefulset.name',
  DaemonSet: 'k8s.daemonset.name',
  Job: 'k8s.job.name',
  CronJob: 'k8s.cronjob.name',
}

const escaped = (value: string): string => value.replace(/[,=%$\s]/g, (one) => encodeURIComponent(one))

/** OTEL_RESOURCE_ATTRIBUTES; `$(NAME)` is filled in by the kubelet from variables that stand before it. */
export function resourceAttributes(pod: Pod): string {
  const labels = pod.metadata.labels ?? {}
  const owner = workload(pod)
  const ownerKey = owner === undefined ? undefined : ATTRIBUTE_OF[owner.kind]
  const pairs: (readonly [string, string | undefined])[] = [
    ['k8s.namespace.name', '$(POD_NAMESPACE)'],
    ['k8s.pod.name', '$(POD_NAME)'],
    ['k8s.pod.uid', '$(POD_UID)'],
    ['k8s.pod.ip', '$(POD_IP)'],
    ['k8s.node.name', '$(NODE_NAME)'],
    ['service.namespace', '$(POD_NAMESPACE)'],
    ['service.instance.id', '$(POD_NAMESPACE).$(POD_NAME)'],
    ...(ownerKey === undefined ? [] : ([[ownerKey, escaped(owner!.name)]] as const)),
    ['service.version', labels['app.kubernetes.io/version']],
  ]
  return pairs
    .flatMap(([key, value]) => (value === undefined ? [] : `${key}=${value.startsWith('$(') ? value : escaped(value)}`))
    .join(',')
}
