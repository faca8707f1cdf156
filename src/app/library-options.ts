/** Options of `createProxy` as programs without types give them: what cannot be meant is a TypeError that says where. */
import type { CreateProxyOptions } from './library.ts'

const KNOWN: Readonly<Record<keyof CreateProxyOptions, true>> = {
  upstream: true,
  listen: true,
  stages: true,
  dispatcher: true,
  settings: true,
}
const HOOKS = ['onRequestHead', 'onRequestData', 'onResponseHead', 'onResponseData', 'onResponseEnd', 'onFinish']

/** Throws a TypeError. Values of settings are checked with those of files and flags. */
export function checkOptions(options: CreateProxyOptions): void {
  const given = record(options, 'options')
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(KNOWN, name)) wrong(name, `one of ${Object.keys(KNOWN).join(', ')}`)
  }
  if (given.listen !== undefined) record(given.listen, 'listen')
  if (given.settings !== undefined) record(given.settings, 'settings')
  if (given.dispatcher !== undefined && typeof record(given.dispatcher, 'dispatcher').dispatch !== 'function') {
    wrong('dispatcher', 'a dispatcher of undici')
  }
  if (given.stages === undefined) return
  if (!Array.isArray(given.stages)) wrong('stages', 'a list')
  else for (const [i, stage] of given.stages.entries()) checkStage(record(stage, `stages[${i}]`), `stages[${i}]`)
}

function checkStage(stage: Readonly<Record<string, unknown>>, path: string): void {
  if (typeof stage.name !== 'string') wrong(`${path}.name`, 'a text')
  if (stage.role !== 'decide' && stage.role !== 'observe') wrong(`${path}.role`, "'decide' or 'observe'")
  for (const hook of HOOKS) {
    if (stage[hook] !== undefined && typeof stage[hook] !== 'function') wrong(`${path}.${hook}`, 'a function')
  }
  if (!HOOKS.some((hook) => stage[hook] !== undefined)) wrong(path, `a hook: ${HOOKS.join(', ')}`)
}

function record(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) wrong(path, 'an object')
  return value as Readonly<Record<string, unknown>>
}

function wrong(path: string, expected: string): never {
  throw new TypeError(`createProxy: ${path}: expected ${expected}`)
}
