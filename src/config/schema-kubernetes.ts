/** Settings of `hopscope injector`, and those by which an injected sidecar answers the kubelet. */
import * as z from 'zod'
import { group, optional, setting } from './setting.ts'
import { bool, bytes, hostPort, hostPortOrOff, httpUrl, int, listOf, oneOf, text, type ValueKind } from './values.ts'

const own = { commands: ['injector'] as const }
const MIB = 1024 * 1024

/** A DNS label, as names of namespaces are. */
const namespaceName: ValueKind<z.ZodString> = {
  zod: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
  expects: 'a namespace',
  placeholder: 'namespace',
  fromText: (value) => value,
}

/** A quantity of Kubernetes as far as resources of a container need it. */
export const quantity: ValueKind<z.ZodString> = {
  zod: z.string().regex(/^\d{1,9}(\.\d{1,3})?(m|k|M|G|Ki|Mi|Gi)?$/),
  expects: 'a quantity such as 100m, 0.5 or 128Mi',
  placeholder: 'quantity',
  fromText: (value) => value,
}

/** A reference without white space: Kubernetes itself says whether it is one. */
export const imageReference: ValueKind<z.ZodString> = {
  zod: z.string().regex(/^[a-z0-9][\w.:/@-]{0,500}$/i),
  expects: 'an image reference such as registry.example/hopscope:0.1.0',
  placeholder: 'image',
  fromText: (value) => value,
}

export const injector = group({
  listen: setting(hostPort, {
    doc: 'Where the webhook listens, in TLS 1.3 alone. /live and /ready are there too.',
    default: '0.0.0.0:8443',
    ...own,
  }),
  tlsCertificate: optional(text('a PEM file', 'file'), {
    doc: 'Certificate of the webhook; read anew when it changes.',
    requiredBy: ['injector'],
    ...own,
  }),
  tlsKey: optional(text('a PEM file', 'file'), {
    doc: 'Private key of that certificate.',
    requiredBy: ['injector'],
    ...own,
  }),
  image: optional(imageReference, {
    doc: 'Image of the containers that are injected.',
    requiredBy: ['injector'],
    ...own,
  }),
  imagePullPolicy: setting(oneOf('Always', 'IfNotPresent', 'Never'), {
    doc: 'When nodes pull that image.',
    default: 'IfNotPresent',
    ...own,
  }),
  namespace: optional(namespaceName, { doc: 'The namespace of the injector itself; its pods are left alone.', ...own }),
  excludedNamespaces: setting(listOf(namespaceName), {
    doc: 'Namespaces whose pods are left alone.',
    default: ['kube-system', 'kube-public', 'kube-node-lease'],
    ...own,
  }),
  onBadAnnotation: setting(oneOf('admit', 'deny'), {
    doc: 'A pod with an annotation that cannot be used: admitted as it is with a warning, or refused.',
    default: 'admit',
    ...own,
  }),
  nativeSidecars: setting(oneOf('auto', 'always', 'never'), {
    doc: 'Whether the proxy is an init container with restartPolicy Always. auto: once every node is 1.29 or newer.',
    default: 'auto',
    ...own,
  }),
  aggregator: optional(httpUrl('http://hopscope-aggregator.hopscope:4317'), {
    doc: 'Receiver of the sidecars’ spans; each address of its name is one (`otlp.endpoints`).',
    ...own,
  }),
  sidecarConfig: optional(text('a YAML file', 'file'), {
    doc: 'Settings of the sidecars, as in hopscope.yaml; annotations go before them.',
    ...own,
  }),
  cpuRequest: setting(quantity, { doc: 'CPU that a sidecar asks for.', default: '10m', ...own }),
  cpuLimit: optional(quantity, {
    doc: 'CPU that a sidecar may use. Unset: no limit, since throttling shows as latency of the app.',
    ...own,
  }),
  memoryRequest: setting(quantity, { doc: 'Memory that a sidecar asks for.', default: '64Mi', ...own }),
  memoryLimit: setting(quantity, {
    doc: 'Memory that a sidecar may use, for each of its processes (`concurrency`).',
    default: '256Mi',
    ...own,
  }),
  metricsPort: setting(int(1024, 65535), {
    doc: 'Port of the sidecar’s metrics in the pod. Not 9090: the network of the pod is the app’s too.',
    default: 15090,
    ...own,
  }),
  kubeletPort: setting(int(1024, 65535), {
    doc: 'Port at which the sidecar answers the kubelet: its own readiness, and probes of the app.',
    default: 15021,
    ...own,
  }),
  events: setting(bool, {
    doc: 'Whether a pod that is left alone gets an Event at its owner that says why.',
    default: true,
    ...own,
  }),
  maxBodyBytes: setting(bytes(64 * 1024, 64 * MIB), {
    doc: 'Largest review that is read.',
    default: 8 * MIB,
    ...own,
  }),
})

const header = z.strictObject({ name: z.string().min(1).max(256), value: z.string().max(4096) })
const target = { port: z.int().min(1).max(65535), timeoutMs: z.int().min(100).max(600_000) }
export const appProbe = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('http'),
    ...target,
    host: z.optional(z.string().max(253)),
    path: z.string().max(4096),
    scheme: z.enum(['HTTP', 'HTTPS']),
    headers: z.optional(z.array(header).max(64)),
  }),
  z.strictObject({ type: z.literal('tcp'), ...target, host: z.optional(z.string().max(253)) }),
  z.strictObject({ type: z.literal('grpc'), ...target, service: z.string().max(1024) }),
])

/** A probe of the app as it was before injection. */
export type AppProbeSetting = z.infer<typeof appProbe>

const probes: ValueKind<z.ZodRecord<z.ZodString, typeof appProbe>> = {
  zod: z.record(z.string().regex(/^[a-z0-9-]{1,63}\/(startup|readiness|liveness)$/), appProbe),
  expects: 'probes by container/kind (as text: JSON)',
  placeholder: 'json',
  fromText: (value) => {
    try {
      return JSON.parse(value)
    } catch {
      return value
    }
  },
}

export const kubelet = group({
  listen: setting(hostPortOrOff, {
    doc: 'Where the kubelet is answered: /ready and /live of the proxy, and /app-health/CONTAINER/KIND. It changes nothing and shows nothing.',
    default: 'off',
    commands: ['sidecar'],
  }),
  podIp: setting(text('an address'), {
    doc: 'Address at which the containers of the pod are probed.',
    default: '127.0.0.1',
    commands: ['sidecar'],
  }),
  probes: setting(probes, {
    doc: 'Probes of the app that the kubelet sends to the sidecar, by container/kind. The injector sets them.',
    default: {},
    commands: ['sidecar'],
  }),
})
