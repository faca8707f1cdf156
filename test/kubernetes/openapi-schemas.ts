/** Kubernetes' own OpenAPI schemas (trimmed: openapi/trim.mjs) and what of an object does not fit them; unknown fields do not. */
import { readFileSync } from 'node:fs'

interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly format?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema
  readonly items?: Schema
  readonly required?: readonly string[]
}

interface Form {
  /** Places in {@link VERSIONS}. */
  readonly versions: readonly number[]
  readonly schema: Schema
}

const [versions, ...definitions] = readFileSync('test/kubernetes/openapi/definitions.ndjson', 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line)) as [readonly string[], ...[string, readonly Form[]][]]
const forms = new Map(definitions)

export const VERSIONS: readonly string[] = versions

const definition = (name: string, version: number): Schema | undefined =>
  forms.get(name)?.find(({ versions }) => versions.includes(version))?.schema

/** One line a fault; `version` is one of {@link VERSIONS}. An object of an unknown kind is a fault. */
export function faultsOf(object: { apiVersion: string; kind: string }, version: string): string[] {
  const index = VERSIONS.indexOf(version)
  const group = object.apiVersion.includes('/')
    ? object.apiVersion.replace(/\..*(?=\/)/, '').replace('/', '.')
    : 'core.v1'
  const name = `io.k8s.api.${group}.${object.kind}`
  if (definition(name, index) === undefined) return [`${object.apiVersion} ${object.kind}: no such kind in ${version}`]
  return check(object, { $ref: `#/definitions/${name}` }, object.kind, index)
}

function check(value: unknown, schema: Schema, at: string, version: number): string[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice('#/definitions/'.length)
    if (name.endsWith('.Quantity')) return /string|number/.test(typeof value) ? [] : [`${at}: not a quantity`]
    return check(value, definition(name, version)!, at, version)
  }
  if (schema.format === 'int-or-string') return /string|number/.test(typeof value) ? [] : [`${at}: not int or string`]
  if (schema.type === 'array') {
    if (!Array.isArray(value)) return [`${at}: not a list`]
    return value.flatMap((one, index) => check(one, schema.items ?? {}, `${at}[${index}]`, version))
  }
  if (schema.type === 'integer') return Number.isInteger(value) ? [] : [`${at}: not an integer`]
  if (schema.type !== undefined && schema.type !== 'object') {
    return typeof value === schema.type ? [] : [`${at}: ${typeof value}, not ${schema.type}`]
  }
  if (schema.properties === undefined && schema.additionalProperties === undefined) return []
  return checkObject(value, schema, at, version)
}

function checkObject(value: unknown, schema: Schema, at: string, version: number): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at}: not an object`]
  const missing = (schema.required ?? [])
    .filter((key) => !Object.hasOwn(value, key))
    .map((key) => `${at}.${key}: missing`)
  const wrong = Object.entries(value).flatMap(([key, member]) => {
    const own = schema.properties?.[key] ?? schema.additionalProperties
    return own === undefined ? [`${at}.${key}: unknown`] : check(member, own, `${at}.${key}`, version)
  })
  return [...missing, ...wrong]
}
