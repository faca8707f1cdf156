/** The chart over a matrix of values: every object fits Kubernetes' schemas, its settings are accepted by the program, its pods are restricted. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Command } from '../../src/config/commands.ts'
import { loadConfig } from '../../src/config/load.ts'
import { readSidecarSettings } from '../../src/injector/sidecar-settings.ts'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { CHART, find, type Manifest, noHelm, type Rendered, template } from './helm.ts'
import { faultsOf, VERSIONS } from './openapi-schemas.ts'

const skip = noHelm
const folder = tempFolder()

const GATEWAY = ['gateway.enabled=true', 'gateway.upstream=http://legacy.default:8080']
const NODE = ['node.enabled=true', 'node.upstream=http://legacy.default:8080']
const MONITORING = ['monitoring.podMonitor.enabled=true', 'monitoring.serviceMonitor.enabled=true']

const MATRIX: Readonly<Record<string, readonly string[]>> = {
  'no value set': [],
  everything: [
    ...GATEWAY,
    ...NODE,
    ...MONITORING,
    'gateway.autoscaling.concurrency=50',
    'gateway.autoscaling.latencyMs=250',
    'monitoring.labels.release=prometheus',
  ],
  'nothing but sidecars to a collector elsewhere': [
    'aggregator.enabled=false',
    'sidecar.aggregator=http://otel-collector.observability:4317',
  ],
  'aggregator alone': ['injector.enabled=false'],
  nothing: ['injector.enabled=false', 'aggregator.enabled=false'],
  'cert-manager': ['certificate.certManager.enabled=true'],
  'cert-manager with an issuer': [
    'certificate.certManager.enabled=true',
    'certificate.certManager.issuerRef.name=ca',
    'certificate.certManager.issuerRef.kind=ClusterIssuer',
  ],
  'certificate of one’s own': ['certificate.existingSecret=mine', 'certificate.caBundle=PEM'],
  clickhouse: [
    'aggregator.clickhouse.url=http://clickhouse:8123/otel',
    'aggregator.clickhouse.existingSecret=clickhouse',
    'aggregator.persistence.enabled=false',
    'aggregator.replicas=3',
  ],
  'several aggregators': ['aggregator.replicas=3'],
  'settings of sidecars': [
    'sidecar.config={"sample":0.1}',
    'sidecar.config.timeouts.connectMs=2000',
    'sidecar.config.intercept.excludeOutboundPorts={6379}',
    'sidecar.config.idempotency.store=redis://redis.shop:6379',
    'sidecar.cpuLimit=1',
  ],
  placement: [
    'injector.nodeSelector.pool=infra',
    'injector.priorityClassName=system-cluster-critical',
    'injector.replicas=3',
    'aggregator.tolerations[0].operator=Exists',
    'image.pullSecrets={registry}',
    'commonLabels.team=platform',
    'fullnameOverride=hs',
    'nameOverride=hop-2',
  ],
  'small and strict': [
    'injector.replicas=1',
    'injector.failurePolicy=Ignore',
    'injector.podOptIn=false',
    'injector.events=false',
    'injector.nativeSidecars=never',
    'injector.onBadAnnotation=deny',
    'networkPolicy.enabled=false',
    'monitoring.dashboard.enabled=false',
    'monitoring.alerts.enabled=false',
  ],
  'without roles': ['rbac.create=false'],
}

/** Kinds of others, whose schemas Kubernetes does not have. */
const FOREIGN = /^(cert-manager\.io|monitoring\.coreos\.com)\//

for (const [name, values] of Object.entries(MATRIX)) {
  test(`${name}: fits the schemas of all versions, and runs restricted`, { skip }, () => {
    const rendered = template(values)
    assert.equal(rendered.status, 0, rendered.stderr)
    const own = rendered.objects.filter(({ apiVersion }) => !FOREIGN.test(apiVersion))
    for (const object of own) {
      for (const version of VERSIONS) assert.deepEqual(faultsOf(object, version), [], `${version} ${object.kind}`)
    }
    const keys = rendered.objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    assert.deepEqual(keys, [...new Set(keys)], 'names twice')
    for (const object of own) for (const spec of podSpecs(object)) assertRestricted(spec, `${object.kind}`)
  })

  test(`${name}: the program accepts its settings`, { skip: noHelm || noOpenssl }, async () => {
    for (const [command, text] of configs(template(values))) {
      const file = join(folder, 'hopscope.yaml')
      writeFileSync(file, text)
      // Faults that come of files which are only there in the cluster do not count.
      const { cert, key } = certificate()
      const flags = command === 'injector' ? { 'injector.tlsCertificate': cert, 'injector.tlsKey': key } : {}
      const result = await loadConfig({ command, file, env: {}, flags })
      assert.ok(result.ok, JSON.stringify(result.ok ? '' : result.faults))
    }
    const sidecar = template(values).objects.find(({ metadata, data }) => {
      return metadata.name.endsWith('-injector') && data !== undefined && Object.hasOwn(data as object, 'sidecar.yaml')
    })
    if (sidecar === undefined) return
    const { faults, settings } = readSidecarSettings(
      (sidecar.data as Record<string, string>)['sidecar.yaml']!,
      'sidecar.yaml',
    )
    assert.deepEqual(faults, [])
    if (name === 'settings of sidecars') assert.equal(settings.get('intercept.excludeOutboundPorts'), '6379')
  })
}

for (const name of ['true', '123', '1e3', 'on', 'null']) {
  test(`a release and a namespace of the name ${name} are texts everywhere`, { skip }, () => {
    const rendered = template([...GATEWAY, ...NODE, ...MONITORING, 'nameOverride=off'], '1.31.0', name)
    assert.equal(rendered.status, 0, rendered.stderr)
    for (const object of rendered.objects) {
      const [version] = VERSIONS
      if (!FOREIGN.test(object.apiVersion)) assert.deepEqual(faultsOf(object, version!), [], object.kind)
      const { labels, name: own, namespace } = object.metadata
      for (const text of [...Object.values(labels!), own, namespace ?? '']) assert.equal(typeof text, 'string', own)
      assert.equal(labels!['app.kubernetes.io/instance'], name)
    }
    // Of kinds whose schemas are not here.
    const { selector } = find(rendered, 'PodMonitor', '-proxies').spec as { selector: { matchLabels: object } }
    for (const value of Object.values(selector.matchLabels)) assert.equal(typeof value, 'string')
  })
}

let made: { cert: string; key: string } | undefined
function certificate(): { cert: string; key: string } {
  made ??= new Authority().issue('webhook')
  return made
}

function configs(rendered: Rendered): [Command, string][] {
  const commandOf: Readonly<Record<string, Command>> = {
    injector: 'injector',
    aggregator: 'aggregator',
    gateway: 'proxy',
    node: 'proxy',
  }
  return rendered.objects.flatMap(({ kind, metadata, data }) => {
    const command = commandOf[metadata.labels?.['app.kubernetes.io/component'] ?? '']
    const text = (data as Record<string, string> | undefined)?.['hopscope.yaml']
    return kind === 'ConfigMap' && command !== undefined && text !== undefined ? [[command, text]] : []
  })
}

interface Spec {
  readonly hostNetwork?: boolean
  readonly securityContext?: Readonly<Record<string, unknown>>
  readonly containers: readonly { readonly securityContext?: unknown; readonly resources?: unknown }[]
}

function podSpecs({ kind, spec }: Manifest): Spec[] {
  if (kind === 'Pod') return [spec as Spec]
  const template = (spec as { template?: { spec?: Spec } } | undefined)?.template
  return template?.spec === undefined ? [] : [template.spec]
}

/** Pod Security Standards, profile restricted, and a read-only root beyond it. */
function assertRestricted(spec: Spec, at: string): void {
  const { runAsNonRoot, runAsUser, seccompProfile } = spec.securityContext ?? {}
  assert.deepEqual([runAsNonRoot, runAsUser, seccompProfile], [true, 1337, { type: 'RuntimeDefault' }], at)
  assert.equal(spec.hostNetwork, undefined, at)
  for (const { securityContext, resources } of spec.containers) {
    assert.deepEqual(
      securityContext,
      { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      at,
    )
    assert.notEqual(resources, undefined, at)
  }
}

for (const [name, values, message] of [
  ['an unknown value', ['injektor.replicas=3'], /injektor/],
  ['an unknown setting', ['aggregator.config.aggregator.retention=3'], /retention/],
  ['a setting of another command', ['sidecar.config.aggregator.ui=off'], /aggregator/],
  ['a setting that the injection decides', ['sidecar.config.metrics=off'], /metrics/],
  ['a port that the injection decides', ['sidecar.config.kubelet.listen=off'], /kubelet/],
  ['a bad value of a setting', ['sidecar.config.sample=2'], /sample|maximum/],
  ['a name that is no name of an object', ['nameOverride=x: y'], /nameOverride.*[Dd]oes not match/s],
  ['a full name that is none', ['fullnameOverride=Hop_Scope'], /fullnameOverride.*[Dd]oes not match/s],
  ['a bad policy', ['injector.failurePolicy=Maybe'], /failurePolicy/],
  ['a gateway without an upstream', ['gateway.enabled=true'], /gateway\.upstream is missing/],
  ['a Secret without its authority', ['certificate.existingSecret=mine'], /caBundle/],
  [
    'two ways to a certificate',
    ['certificate.existingSecret=mine', 'certificate.certManager.enabled=true'],
    /exclude each other/,
  ],
  ['an autoscaler that looks at nothing', [...GATEWAY, 'gateway.autoscaling.cpuPercent=0'], /has nothing to look at/],
] as const) {
  test(`${name} is refused`, { skip }, () => {
    const { status, stderr } = template(values)
    assert.notEqual(status, 0)
    assert.match(stderr, message)
  })
}

test('helm lint has nothing to say', { skip }, () => {
  const { status, stdout } = spawnSync('helm', ['lint', '--strict', CHART], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})

test('the webhook leaves its own namespace and those of the system alone, and pods that opt out', { skip }, () => {
  const { webhooks } = find(template([]), 'MutatingWebhookConfiguration') as unknown as {
    webhooks: { namespaceSelector: unknown; objectSelector: unknown; failurePolicy: string; timeoutSeconds: number }[]
  }
  assert.equal(webhooks.length, 2)
  for (const { namespaceSelector, objectSelector, failurePolicy, timeoutSeconds } of webhooks) {
    const text = JSON.stringify(namespaceSelector)
    assert.match(text, /"kubernetes.io\/metadata.name","operator":"NotIn","values":\["kube-system",.*"hopscope"\]/)
    assert.match(JSON.stringify(objectSelector), /"NotIn","values":\["disabled"\]/)
    assert.deepEqual([failurePolicy, timeoutSeconds], ['Fail', 5])
  }
})

test('the sidecars’ receiver is a name that stands for all aggregators', { skip }, () => {
  const rendered = template(['aggregator.replicas=3'])
  const text = configs(rendered).find(([command]) => command === 'injector')![1]
  assert.match(
    configs(rendered).find(([command]) => command === 'aggregator')![1],
    /- hopscope-aggregator-headless\.hopscope\.svc:16687/,
  )
  const [, service, namespace] = /aggregator: http:\/\/([a-z-]+)\.([a-z-]+)\.svc:4317/.exec(text)!
  const { spec, metadata } = find(rendered, 'Service', service)
  assert.deepEqual([(spec as { clusterIP: string }).clusterIP, metadata.namespace], ['None', namespace])
})
