/** What is generated of the Helm chart: values.schema.json and README.md, from values.yaml and the settings table. */
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml'
import * as z from 'zod'
import { isForSidecars } from '../config/for-sidecars.ts'
import { settingsFor } from '../config/schema.ts'
import { imageReference, quantity } from '../config/schema-kubernetes.ts'
import type { Setting } from '../config/setting.ts'

type Json = Readonly<Record<string, unknown>>

const enumOf = (...values: string[]): Json => ({ enum: values })
const freeMap: Json = { type: 'object' }
const textMap: Json = { type: 'object', additionalProperties: { type: 'string' } }
const quantities: Json = { anyOf: [zodSchema(quantity.zod), { type: 'number', exclusiveMinimum: 0 }] }
const quantityOrNone: Json = {
  anyOf: [{ const: '' }, zodSchema(quantity.zod), { type: 'number', exclusiveMinimum: 0 }],
}
const sizes: Json = { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$' }
const secondsOfWebhooks: Json = { type: 'integer', minimum: 1, maximum: 30 }
const atLeast = (minimum: number): Json => ({ type: 'integer', minimum })
/** Services are named by it, and their names begin with a letter; empty: none is given. */
const nameOrNone: Json = { type: 'string', pattern: '^([a-z]([a-z0-9-]{0,61}[a-z0-9])?)?$' }
const names: Json = { type: 'array', items: { type: 'string' } }
const objects: Json = { type: 'array', items: { type: 'object' } }

/** What a default alone does not tell of a value. */
const SPECIAL: Readonly<Record<string, Json>> = {
  'image.repository': zodSchema(imageReference.zod),
  'image.digest': { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
  'image.pullPolicy': enumOf('Always', 'IfNotPresent', 'Never'),
  'image.pullSecrets': names,
  nameOverride: nameOrNone,
  fullnameOverride: nameOrNone,
  commonLabels: textMap,
  'injector.replicas': atLeast(1),
  'injector.failurePolicy': enumOf('Fail', 'Ignore'),
  'injector.timeoutSeconds': secondsOfWebhooks,
  'injector.excludedNamespaces': names,
  'injector.onBadAnnotation': enumOf('admit', 'deny'),
  'injector.nativeSidecars': enumOf('auto', 'always', 'never'),
  'injector.config': configOf(settingsFor('injector')),
  'certificate.days': atLeast(1),
  'sidecar.image': { anyOf: [{ const: '' }, zodSchema(imageReference.zod)] },
  'sidecar.config': configOf([...settingsFor('sidecar'), ...settingsFor('iptables')].filter(isForSidecars)),
  'sidecar.cpuRequest': quantities,
  'sidecar.cpuLimit': quantityOrNone,
  'sidecar.memoryRequest': quantities,
  'sidecar.memoryLimit': quantities,
  'aggregator.replicas': atLeast(1),
  'aggregator.config': configOf(settingsFor('aggregator')),
  'aggregator.persistence.size': sizes,
  'aggregator.persistence.whenDeleted': enumOf('Retain', 'Delete'),
  'gateway.config': configOf(settingsFor('proxy')),
  'gateway.replicas': atLeast(1),
  'gateway.service.type': enumOf('ClusterIP', 'NodePort', 'LoadBalancer'),
  'gateway.autoscaling.minReplicas': atLeast(1),
  'gateway.autoscaling.maxReplicas': atLeast(1),
  'gateway.autoscaling.cpuPercent': atLeast(0),
  'gateway.autoscaling.concurrency': atLeast(0),
  'gateway.autoscaling.latencyMs': atLeast(0),
  'node.config': configOf(settingsFor('proxy')),
  'node.hostPort': { type: 'integer', minimum: 0, maximum: 65535 },
  'monitoring.labels': textMap,
  'monitoring.dashboard.labels': textMap,
  'monitoring.alerts.labels': textMap,
  'serviceAccount.annotations': textMap,
}
/** Maps of Kubernetes' own kinds, wherever they stand. */
const OF_KUBERNETES: Readonly<Record<string, Json>> = {
  resources: freeMap,
  podAnnotations: textMap,
  nodeSelector: textMap,
  affinity: freeMap,
  tolerations: objects,
  uiFrom: objects,
  metricsFrom: objects,
}

function zodSchema(type: z.ZodType): Json {
  const override = ({ jsonSchema }: { jsonSchema: { pattern?: string } }): void => {
    // Helm's regular expressions know no lookahead; the program itself checks the rest.
    if (jsonSchema.pattern?.includes('(?=') || jsonSchema.pattern?.includes('(?!')) delete jsonSchema.pattern
  }
  const { $schema: _draft, ...schema } = z.toJSONSchema(type, { io: 'input', target: 'draft-7', override })
  return schema
}

/** The part of hopscope.yaml with these settings; nothing else is allowed in it. */
function configOf(settings: readonly Setting[]): Json {
  const root: Node = {}
  for (const { path, type } of settings) {
    const keys = path.split('.')
    const last = keys.pop()!
    let at = root
    for (const key of keys) {
      at[key] ??= { of: {} }
      at = at[key].of!
    }
    at[last] = { schema: zodSchema(type) }
  }
  return objectOf(root)
}

interface Node {
  [key: string]: { readonly of?: Node; readonly schema?: Json }
}

function objectOf(node: Node): Json {
  const properties = Object.entries(node).map(([key, { of, schema }]) => [
    key,
    of === undefined ? schema : objectOf(of),
  ])
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties) }
}

/** One value of values.yaml. */
interface ChartValue {
  readonly path: string
  readonly doc: string
  readonly value: unknown
}

/** The leaves of values.yaml: what has a `# --` comment. Throws where a leaf has none. */
export function chartValues(source: string): ChartValue[] {
  const document = parseDocument(source)
  return leaves(document.contents as YAMLMap, '')
}

function leaves(map: YAMLMap, prefix: string): ChartValue[] {
  const found: ChartValue[] = []
  // The comment before the first pair of a map belongs to the map itself in this parser.
  let before = map.commentBefore ?? ''
  for (const { key, value } of map.items as Pair[]) {
    if (!isScalar(key)) throw new Error('values.yaml: a key is no text')
    const path = prefix + String(key.value)
    const comment = key.commentBefore ?? before
    before = ''
    const doc = /^ *-- ([\s\S]*)$/.exec(comment)?.[1]?.replace(/\n */g, ' ')
    if (doc !== undefined) found.push({ path, doc, value: (value as { toJSON(): unknown }).toJSON() })
    else if (isMap(value) && value.items.length > 0) found.push(...leaves(value, `${path}.`))
    else throw new Error(`values.yaml: ${path} has no "# --" comment`)
  }
  return found
}

const LINE = 120

/** JSON as the formatter of this repository leaves it: lists of plain values in one line where they fit. */
export function formattedJson(value: unknown, indent = '', keyLength = 0): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const deeper = `${indent}  `
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  const parts = Array.isArray(value)
    ? value.map((one) => formattedJson(one, deeper))
    : Object.entries(value)
        .filter(([, one]) => one !== undefined)
        .map(([key, one]) => `${JSON.stringify(key)}: ${formattedJson(one, deeper, key.length + 4)}`)
  if (parts.length === 0) return `${open}${close}`
  const flat = `[${parts.join(', ')}]`
  const fits = indent.length + keyLength + flat.length < LINE
  if (Array.isArray(value) && !flat.includes('\n') && fits) return flat
  return `${open}\n${deeper}${parts.join(`,\n${deeper}`)}\n${indent}${close}`
}

/** values.schema.json, in draft 7, which every Helm 3 reads. */
export function chartSchema(source: string): object {
  const root: Node = { global: { schema: { type: 'object' } } }
  for (const { path, doc, value } of chartValues(source)) {
    const keys = path.split('.')
    const last = keys.pop()!
    let at = root
    for (const key of keys) {
      at[key] ??= { of: {} }
      at = at[key].of!
    }
    at[last] = { schema: { description: doc, ...(SPECIAL[path] ?? OF_KUBERNETES[last] ?? byDefault(value)) } }
  }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'values of the chart hopscope',
    ...objectOf(root),
  }
}

function byDefault(value: unknown): Json {
  if (typeof value === 'number') return { type: 'integer' }
  if (typeof value === 'object' && value !== null) {
    const node = Object.entries(value).map(([key, one]) => [key, { schema: byDefault(one) }])
    return objectOf(Object.fromEntries(node))
  }
  return { type: typeof value }
}

const escaped = (cell: string): string => cell.replaceAll('|', '\\|')

/** README.md of the chart. */
export function chartReadme(source: string): string {
  const rows = chartValues(source).map(
    ({ path, doc, value }) => `| \`${path}\` | \`${escaped(JSON.stringify(value))}\` | ${escaped(doc)} |`,
  )
  return `${README_HEAD}\n${rows.join('\n')}\n`
}

const README_HEAD = `<!-- Generated by \`npm run docs\` from values.yaml: change that, not this page. -->

# Chart hopscope

The injector that gives pods a sidecar, the aggregator that collects their spans and shows traces, and, where asked for, the
proxy as a gateway or on every node. Works on a small cluster with no value set.

\`\`\`
helm install hopscope charts/hopscope --namespace hopscope --create-namespace
kubectl label namespace shop hopscope.io/inject=enabled
kubectl -n shop rollout restart deployment
helm -n hopscope test hopscope
\`\`\`

docs/kubernetes.md says how to install, opt in, upgrade and remove, and what each annotation does.

- Needs Kubernetes 1.28, Helm 3. On clusters whose nodes are all 1.29 or newer, sidecars are native.
- All pods of the chart hold to Pod Security \`restricted\`. Injected pods have one init container that needs NET_ADMIN and
  NET_RAW: their namespaces must allow it (\`privileged\`, or an exemption).
- The certificate of the webhook is made once and kept over upgrades. \`helm template\` and GitOps tools that render without
  a cluster make a new one each time: use cert-manager or a Secret of your own there.
- Names under \`injector.config\`, \`sidecar.config\`, \`aggregator.config\`, \`gateway.config\` and \`node.config\` are those of
  docs/configuration.md; values.schema.json refuses all others before anything is installed.

## Values

| value | default | what |
|---|---|---|`
