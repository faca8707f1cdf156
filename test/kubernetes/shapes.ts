/** Pods as they are found in clusters, by what is special about them. */
import type { InjectionOptions } from '../../src/injector/options.ts'

export interface Shape {
  readonly pod: { readonly metadata: object; readonly spec: Readonly<Record<string, unknown>> }
  readonly namespace?: string
  /** Whether the namespace asks for injection; it does by default. */
  readonly asked?: boolean
  readonly options?: Partial<InjectionOptions>
}

const app = { name: 'app', image: 'shop:1' }
const labels = { app: 'shop', 'pod-template-hash': '7d9f8c' }
const owner = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name: 'shop-7d9f8c',
  uid: '6b0c9a0e-0000-4000-8000-000000000001',
  controller: true,
}
const metadata = { generateName: 'shop-7d9f8c-', labels, ownerReferences: [owner] }
const spec = { restartPolicy: 'Always', terminationGracePeriodSeconds: 30, containers: [app] }
const classic = { options: { nativeSidecars: false } }

const annotated = (annotations: Record<string, string>, more: Partial<Shape> = {}): Shape => ({
  pod: { metadata: { ...metadata, annotations }, spec },
  ...more,
})
const withSpec = (more: object, rest: Partial<Shape> = {}): Shape => ({
  pod: { metadata, spec: { ...spec, ...more } },
  ...rest,
})
const mine = (short: string): string => `hopscope.io/${short}`

const job = {
  generateName: 'report-',
  labels: { 'batch.kubernetes.io/job-name': 'report' },
  ownerReferences: [{ ...owner, apiVersion: 'batch/v1', kind: 'Job', name: 'report' }],
}

export const SHAPES: Readonly<Record<string, Shape>> = {
  deployment: { pod: { metadata, spec } },
  'deployment-classic': { pod: { metadata, spec }, ...classic },
  'bare-pod-without-labels': { pod: { metadata: { name: 'bare' }, spec: { containers: [app] } } },
  'pod-without-any-metadata': { pod: { metadata: {}, spec: { containers: [app] } } },
  'many-containers': withSpec({
    containers: [app, { name: 'cache', image: 'redis:8' }, { name: 'logs', image: 'fluent-bit:4' }],
  }),
  'existing-init-containers': withSpec({
    initContainers: [
      { name: 'migrate', image: 'shop:1', command: ['migrate'] },
      { name: 'warm', image: 'shop:1' },
    ],
  }),
  'existing-init-containers-classic': withSpec(
    { initContainers: [{ name: 'migrate', image: 'shop:1', command: ['migrate'] }] },
    classic,
  ),
  'native-sidecar-of-others': withSpec({
    initContainers: [{ name: 'vpn', image: 'vpn:1', restartPolicy: 'Always' }],
  }),
  volumes: withSpec({
    containers: [{ ...app, volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
    volumes: [
      { name: 'data', persistentVolumeClaim: { claimName: 'shop' } },
      { name: 'settings', configMap: { name: 'shop' } },
    ],
  }),
  job: { pod: { metadata: job, spec: { ...spec, restartPolicy: 'Never' } } },
  'job-classic': { pod: { metadata: job, spec: { ...spec, restartPolicy: 'OnFailure' } }, ...classic },
  statefulset: {
    pod: {
      metadata: {
        name: 'db-0',
        labels: { 'app.kubernetes.io/name': 'db', 'app.kubernetes.io/version': '16.1' },
        ownerReferences: [{ ...owner, kind: 'StatefulSet', name: 'db' }],
      },
      spec: { ...spec, hostname: 'db-0', subdomain: 'db' },
    },
  },
  daemonset: {
    pod: {
      metadata: { generateName: 'agent-', ownerReferences: [{ ...owner, kind: 'DaemonSet', name: 'agent' }] },
      spec: { ...spec, tolerations: [{ operator: 'Exists' }] },
    },
  },
  'probes-at-intercepted-ports': withSpec({
    containers: [
      {
        ...app,
        ports: [
          { name: 'http', containerPort: 80 },
          { name: 'https', containerPort: 443 },
        ],
        startupProbe: { tcpSocket: { port: 'http' }, failureThreshold: 30, periodSeconds: 2 },
        readinessProbe: {
          httpGet: {
            path: '/ready?deep=1',
            port: 'https',
            scheme: 'HTTPS',
            httpHeaders: [{ name: 'Host', value: 'shop' }],
          },
          timeoutSeconds: 3,
        },
        livenessProbe: { grpc: { port: 80, service: 'shop' }, terminationGracePeriodSeconds: 5 },
      },
    ],
  }),
  'probes-of-several-containers': withSpec(
    {
      initContainers: [
        { name: 'side', image: 'side:1', restartPolicy: 'Always', startupProbe: { tcpSocket: { port: 443 } } },
      ],
      containers: [
        { ...app, livenessProbe: { httpGet: { port: 80 } } },
        { name: 'second', image: 'second:1', readinessProbe: { httpGet: { port: '80', host: '10.0.0.9' } } },
      ],
    },
    classic,
  ),
  'probes-that-stay': withSpec({
    containers: [
      {
        ...app,
        startupProbe: { exec: { command: ['true'] } },
        readinessProbe: { httpGet: { path: '/', port: 8080 } },
        livenessProbe: { tcpSocket: { port: 'unknown' } },
      },
    ],
  }),
  'probes-not-rewritten-when-asked': {
    pod: {
      metadata: { ...metadata, annotations: { [mine('rewrite-probes')]: 'false' } },
      spec: { ...spec, containers: [{ ...app, readinessProbe: { httpGet: { port: 80 } } }] },
    },
  },
  'probes-at-an-excluded-port': {
    pod: {
      metadata: { ...metadata, annotations: { [mine('exclude-inbound-ports')]: '80' } },
      spec: { ...spec, containers: [{ ...app, readinessProbe: { httpGet: { port: 80 } } }] },
    },
  },
  'every-annotation': annotated({
    [mine('inject')]: 'enabled',
    [mine('ports')]: '80,443,8080',
    [mine('exclude-inbound-ports')]: '9000',
    [mine('exclude-outbound-ports')]: '5432,6379',
    [mine('exclude-outbound-cidrs')]: '169.254.169.254/32,fd00::/8',
    [mine('exclude-uids')]: '1001',
    [mine('ipv6')]: 'false',
    [mine('opaque-ports')]: '8080',
    [mine('concurrency')]: '2',
    [mine('aggregator')]: 'https://collector.example:4317',
    [mine('idempotency')]: 'require',
    [mine('idempotency-store')]: 'redis://redis.shop:6379',
    [mine('sample')]: '0.25',
    [mine('access-log')]: 'all',
    [mine('log-level')]: 'debug',
    [mine('drain-ms')]: '10000',
    [mine('service-name')]: 'checkout $(HOME)',
    [mine('image')]: 'registry.example:5000/hopscope:0.2.0',
    [mine('cpu-request')]: '50m',
    [mine('cpu-limit')]: '2',
    [mine('memory-request')]: '128Mi',
    [mine('memory-limit')]: '1Gi',
    [mine('rewrite-probes')]: 'true',
    [mine('native-sidecar')]: 'false',
  }),
  'idempotency-without-a-store': annotated({ [mine('idempotency')]: 'honour' }),
  'idempotency-in-memory-of-two': annotated({ [mine('idempotency')]: 'honour', [mine('concurrency')]: '2' }),
  'concurrency-scales-memory': annotated({ [mine('concurrency')]: '4' }),
  'opted-in-by-itself': annotated({ [mine('inject')]: 'enabled' }, { asked: false }),
  'opted-in-by-label': {
    pod: { metadata: { ...metadata, labels: { ...labels, [mine('inject')]: 'enabled' } }, spec },
    asked: false,
  },
  'opted-out': annotated({ [mine('inject')]: 'disabled' }),
  'nobody-asked': { pod: { metadata, spec }, asked: false },
  'annotations-of-others': annotated({
    'prometheus.io/scrape': 'true',
    'kubectl.kubernetes.io/default-container': 'app',
    'odd/name~with.tilde': '1',
  }),
  'already-injected': {
    pod: {
      metadata: { ...metadata, annotations: { [mine('status')]: '{}' } },
      spec: { ...spec, initContainers: [{ name: 'hopscope-proxy', image: 'hopscope:0.1.0' }] },
    },
  },
  'restored-with-status-alone': annotated({ [mine('status')]: '{"containers":[],"native":true}' }),
  'name-clash': withSpec({ containers: [{ name: 'hopscope-proxy', image: 'other:1' }] }),
  'uid-clash-of-a-container': withSpec({ containers: [{ ...app, securityContext: { runAsUser: 1337 } }] }),
  'uid-clash-of-the-pod': withSpec({ securityContext: { runAsUser: 1337, runAsNonRoot: true } }),
  'group-clash': withSpec({ securityContext: { runAsGroup: 1337 } }),
  'uid-of-the-pod-overridden': withSpec({
    securityContext: { runAsUser: 1337, fsGroup: 2000 },
    containers: [{ ...app, securityContext: { runAsUser: 1000 } }],
  }),
  'port-clash': withSpec({ containers: [{ ...app, ports: [{ containerPort: 15021 }] }] }),
  'host-network': withSpec({ hostNetwork: true }),
  'host-network-of-a-daemonset-opted-out': {
    pod: {
      metadata: { ...metadata, annotations: { [mine('inject')]: 'disabled' } },
      spec: { ...spec, hostNetwork: true },
    },
  },
  'kube-system': { pod: { metadata, spec }, namespace: 'kube-system' },
  'own-namespace': { pod: { metadata, spec }, namespace: 'hopscope' },
  windows: withSpec({ os: { name: 'windows' }, nodeSelector: { 'kubernetes.io/os': 'windows' } }),
  'mirror-pod': annotated({ 'kubernetes.io/config.mirror': 'abc' }),
  'bad-annotations': annotated({
    [mine('ports')]: '80;443',
    [mine('sample')]: '2',
    [mine('log-level')]: 'loud',
    [mine('exclude-outbound-cidrs')]: '10.0.0.0/33; -j ACCEPT',
    [mine('image')]: 'hopscope --privileged',
    [mine('memory-limit')]: 'lots',
    [mine('tracing')]: 'on',
  }),
  'bad-annotations-denied': annotated({ [mine('ports')]: '15001' }, { options: { onBadAnnotation: 'deny' } }),
  'restricted-pod': withSpec({
    securityContext: { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    automountServiceAccountToken: false,
    hostUsers: false,
    containers: [{ ...app, securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }],
  }),
  'restricted-app': withSpec({
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [{ ...app, securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }],
  }),
  'short-grace-classic': withSpec({ terminationGracePeriodSeconds: 2 }, classic),
  'settings-of-all-sidecars': {
    pod: { metadata: { ...metadata, annotations: { [mine('sample')]: '1' } }, spec },
    options: {
      sidecarSettings: new Map([
        ['sample', '0.1'],
        ['timeouts.connectMs', '2000'],
        ['intercept.excludeOutboundPorts', '6379'],
      ]),
      cpuLimit: '1',
    },
  },
}
