/** The configuration file: YAML 1.2, of which JSON is a part. */
import { readFileSync } from 'node:fs'
import { type Document, isAlias, isMap, isNode, isScalar, LineCounter, parseDocument, type YAMLMap } from 'yaml'
import { errnoOf } from '../core/errors.ts'
import { emptyLayer, type Layer } from './layer.ts'
import { settingByPath } from './schema.ts'
import { groups, knownSetting, memberNames } from './unknown-setting.ts'

/** Reads a file into a layer; a file that is missing or no YAML is a fault, never thrown. */
export function readConfigFile(file: string): Layer {
  const layer = emptyLayer()
  let source: string
  try {
    source = readFileSync(file, 'utf8')
  } catch (error) {
    layer.faults.push({ path: '', origin: file, value: errnoOf(error), expected: 'a readable file' })
    return layer
  }
  return parseConfigFile(source, file, layer)
}

/** The same for text already read; `file` is its name in reports. */
export function parseConfigFile(source: string, file: string, layer = emptyLayer()): Layer {
  const lines = new LineCounter()
  // No pretty errors: they quote the lines around the fault, which may hold secrets.
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number | undefined): string =>
    offset === undefined ? file : `${file}:${lines.linePos(offset).line}`
  for (const error of document.errors) {
    layer.faults.push({ path: '', origin: at(error.pos[0]), value: '', expected: `valid YAML (${error.message})` })
  }
  if (layer.faults.length > 0) return layer
  const reader: Reader = { layer, document, at }
  const root = document.contents
  if (isMap(root)) readGroup(root, '', reader)
  else if (root !== null && !(isScalar(root) && root.value === null)) {
    layer.faults.push({ path: '', origin: at(root.range?.[0]), value: '', expected: 'settings as `key: value`' })
  }
  return layer
}

interface Reader {
  readonly layer: Layer
  readonly document: Document
  readonly at: (offset: number | undefined) => string
}

function readGroup(map: YAMLMap, prefix: string, reader: Reader): void {
  for (const { key, value } of map.items) {
    const name = isScalar(key) ? String(key.value) : String(key)
    const path = prefix === '' ? name : `${prefix}.${name}`
    const origin = reader.at(isScalar(key) ? key.range?.[0] : map.range?.[0])
    readPair(path, origin, isAlias(value) ? value.resolve(reader.document) : value, reader)
  }
}

function readPair(path: string, origin: string, value: unknown, reader: Reader): void {
  const setting = settingByPath.get(path)
  const fault = (expected: string): void => {
    reader.layer.faults.push({ path, origin, value: '', expected })
  }
  if (setting !== undefined) {
    reader.layer.given.push({ setting, value: plainValue(value, reader), origin })
  } else if (!groups.has(path)) {
    fault(knownSetting(path))
  } else if (isMap(value)) {
    readGroup(value, path, reader)
  } else if (value !== null && !(isScalar(value) && value.value === null)) {
    fault(`settings beneath it: ${memberNames(path)}`)
  }
}

/** A value out of its YAML node; what cannot be read (an alias to nothing) becomes undefined, which zod refuses. */
function plainValue(value: unknown, { document }: Reader): unknown {
  try {
    return isNode(value) ? value.toJS(document) : value
  } catch {
    return undefined
  }
}
