/**
 * Makes definitions.ndjson (the versions, then a definition a line): the schemas of what we create or patch, of several versions of Kubernetes, without descriptions,
 * each kept once with the versions that it holds for. (From kubernetes/kubernetes, api/openapi-spec; Apache License 2.0.) Arguments: VERSION=PATH/TO/swagger.json …
 */
import { readFileSync, writeFileSync } from 'node:fs'

const ROOTS = [
  'io.k8s.api.core.v1.Pod',
  'io.k8s.api.core.v1.Service',
  'io.k8s.api.core.v1.ServiceAccount',
  'io.k8s.api.core.v1.ConfigMap',
  'io.k8s.api.core.v1.Secret',
  'io.k8s.api.core.v1.Event',
  'io.k8s.api.core.v1.Namespace',
  'io.k8s.api.apps.v1.Deployment',
  'io.k8s.api.apps.v1.StatefulSet',
  'io.k8s.api.apps.v1.DaemonSet',
  'io.k8s.api.batch.v1.Job',
  'io.k8s.api.rbac.v1.Role',
  'io.k8s.api.rbac.v1.RoleBinding',
  'io.k8s.api.rbac.v1.ClusterRole',
  'io.k8s.api.rbac.v1.ClusterRoleBinding',
  'io.k8s.api.policy.v1.PodDisruptionBudget',
  'io.k8s.api.networking.v1.NetworkPolicy',
  'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
  'io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration',
]

const short = (ref) => ref.slice('#/definitions/'.length)

function bare(schema) {
  if (Array.isArray(schema)) return schema.map(bare)
  if (typeof schema !== 'object' || schema === null) return schema
  const kept = Object.entries(schema).filter(([key]) => !/^(description|default|x-kubernetes-(?!group).*)$/.test(key))
  const out = {}
  for (const [key, value] of kept) {
    if (key === 'properties') out.properties = Object.fromEntries(Object.entries(value).map(([k, v]) => [k, bare(v)]))
    else out[key] = bare(value)
  }
  return out
}

function refs(schema, into = []) {
  if (typeof schema !== 'object' || schema === null) return into
  if (typeof schema.$ref === 'string') into.push(short(schema.$ref))
  for (const value of Object.values(schema)) refs(value, into)
  return into
}

const versions = []
const merged = new Map()
for (const argument of process.argv.slice(2)) {
  const [version, file] = argument.split('=')
  const index = versions.push(version) - 1
  const all = JSON.parse(readFileSync(file, 'utf8')).definitions
  const wanted = [...ROOTS]
  const seen = new Set()
  while (wanted.length > 0) {
    const name = wanted.pop()
    if (seen.has(name)) continue
    seen.add(name)
    const schema = bare(all[name])
    wanted.push(...refs(schema))
    const text = JSON.stringify(schema)
    const forms = merged.get(name) ?? merged.set(name, new Map()).get(name)
    forms.set(text, [...(forms.get(text) ?? []), index])
  }
}
const definitions = Object.fromEntries(
  [...merged]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, forms]) => [name, [...forms].map(([text, on]) => ({ versions: on, schema: JSON.parse(text) }))]),
)
const lines = [versions, ...Object.entries(definitions)].map((line) => JSON.stringify(line))
writeFileSync(new URL('definitions.ndjson', import.meta.url), `${lines.join('\n')}\n`)
