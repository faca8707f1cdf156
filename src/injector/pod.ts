/** A pod as the API server shows it to a webhook: what injection reads is typed, all else passes through unseen. */

export interface Probe {
  readonly httpGet?: {
    readonly path?: string
    readonly port: number | string
    readonly host?: string
    readonly scheme?: string
    readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[]
  }
  readonly tcpSocket?: { readonly port: number | string; readonly host?: string }
  readonly grpc?: { readonly port: number; readonly service?: string | null }
  readonly timeoutSeconds?: number
  readonly [other: string]: unknown
}

export interface SecurityContext {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly [other: string]: unknown
}

export interface ContainerPort {
  readonly name?: string
  readonly containerPort: number
  readonly protocol?: string
}

export interface Container {
  readonly name: string
  readonly image?: string
  readonly restartPolicy?: string
  readonly ports?: readonly ContainerPort[]
  readonly env?: readonly unknown[]
  readonly securityContext?: SecurityContext
  readonly livenessProbe?: Probe | null
  readonly readinessProbe?: Probe | null
  readonly startupProbe?: Probe | null
  readonly [other: string]: unknown
}

export interface PodSpec {
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
  readonly hostNetwork?: boolean
  readonly restartPolicy?: string
  readonly terminationGracePeriodSeconds?: number
  readonly securityContext?: SecurityContext
  readonly os?: { readonly name?: string }
  readonly nodeSelector?: Readonly<Record<string, string>>
  readonly [other: string]: unknown
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
}

export interface Metadata {
  readonly name?: string
  readonly generateName?: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>> | null
  readonly annotations?: Readonly<Record<string, string>> | null
  readonly ownerReferences?: readonly OwnerReference[] | null
  readonly [other: string]: unknown
}

export interface Pod {
  readonly metadata: Metadata
  readonly spec: PodSpec
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

type Check = (value: unknown) => boolean

/** JSON's null is as good as nothing. */
const maybe =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value)

const listOf =
  (check: (item: Record<string, unknown>) => boolean): Check =>
  (value) =>
    Array.isArray(value) && value.every((one) => isRecord(one) && check(one))

const isHttpGet = maybe(
  (value) => isRecord(value) && maybe(listOf(({ name }) => typeof name === 'string'))(value.httpHeaders),
)
const isProbe = maybe((value) => isRecord(value) && isHttpGet(value.httpGet))
const isContainers = listOf(
  ({ name, ports, startupProbe, readinessProbe, livenessProbe }) =>
    typeof name === 'string' &&
    maybe(listOf(() => true))(ports) &&
    [startupProbe, readinessProbe, livenessProbe].every(isProbe),
)
const isOwners = maybe(listOf(({ name, kind }) => typeof name === 'string' && typeof kind === 'string'))
const isTexts = maybe((value) => isRecord(value) && Object.values(value).every((one) => typeof one === 'string'))

/** The pod, or undefined where `value` is none. What is not read is not looked at: the API server checks it by its own schema. */
export function readPod(value: unknown): Pod | undefined {
  if (!isRecord(value) || !isRecord(value.spec)) return undefined
  const { spec, metadata } = value
  if (!isRecord(metadata) || !isTexts(metadata.labels) || !isTexts(metadata.annotations)) return undefined
  if (!isOwners(metadata.ownerReferences)) return undefined
  if (!isContainers(spec.containers)) return undefined
  if (spec.initContainers != null && !isContainers(spec.initContainers)) return undefined
  return { metadata: metadata as Metadata, spec: spec as unknown as PodSpec }
}

/** All containers that run or have run in the pod when it is created. */
export function allContainers({ spec }: Pod): readonly Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers]
}
