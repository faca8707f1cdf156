/**
 * HTTP_PROXY, HTTPS_PROXY and NO_PROXY as a layer beneath HOPSCOPE_… ones, in either case, the lower one first as curl
 * reads them. They are set for whole hosts, so that one which cannot be used is warned of and ignored.
 */
import type { Env } from './environment.ts'
import { emptyLayer, type Layer } from './layer.ts'
import { settingByPath } from './schema.ts'

export function readProxyVariables(env: Env): Layer {
  const layer = emptyLayer()
  readProxy(layer, env, 'HTTP_PROXY', 'egress.httpProxy')
  readProxy(layer, env, 'HTTPS_PROXY', 'egress.httpsProxy')
  const [name, text] = given(env, 'NO_PROXY')
  const value = text.split(/[\s,]+/).filter((part) => part !== '')
  if (value.length > 0) give(layer, 'egress.noProxy', value, name)
  return layer
}

function readProxy(layer: Layer, env: Env, variable: string, path: string): void {
  const [name, text] = given(env, variable)
  // `proxy:3128` without a scheme is common.
  if (text !== '') give(layer, path, text.includes('://') ? text : `http://${text}`, name)
}

function given(env: Env, variable: string): readonly [string, string] {
  const lower = variable.toLowerCase()
  const text = env[lower]?.trim() ?? ''
  return text !== '' ? [lower, text] : [variable, env[variable]?.trim() ?? '']
}

/** Values are not shown: they may hold credentials. */
function give(layer: Layer, path: string, value: unknown, origin: string): void {
  const setting = settingByPath.get(path)!
  if (setting.kind.zod.safeParse(value).success) layer.given.push({ setting, value, origin })
  else layer.warnings.push(`${origin} is ignored: expected ${setting.kind.expects}`)
}
