/** Settings of the way out: a forward proxy between this one and its upstream. */
import { isIP } from 'node:net'
import * as z from 'zod'
import { group, optional, setting } from './setting.ts'
import { listOf, type ValueKind } from './values.ts'

/** Those whose upstream is fixed: a sidecar sends bytes where the client sent them. */
const EDGE = ['dev', 'proxy'] as const

const proxyUrl: ValueKind<z.ZodString> = {
  zod: z.string().refine(isProxyUrl),
  expects: 'the http:// or https:// URL of a forward proxy, with user and password where it wants them',
  placeholder: 'url',
  fromText: (value) => value,
}

function isProxyUrl(value: string): boolean {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return false
  const { hostname, pathname, search, hash } = new URL(value)
  return hostname !== '' && pathname === '/' && search === '' && hash === ''
}

/** As `NO_PROXY` has them: a name with all below it, an address, a CIDR block, each with or without a port, or `*`. */
const exemption: ValueKind<z.ZodString> = {
  zod: z.string().refine((value) => value === '*' || isIP(value) !== 0 || /^[^\s,*]+$|^\*\.[^\s,*]+$/.test(value)),
  expects: 'a host, .domain, address or CIDR block, with or without :port, or *',
  placeholder: 'host',
  fromText: (value) => value,
}

export const egress = group({
  httpProxy: optional(proxyUrl, {
    doc: 'Forward proxy for an http:// upstream; HTTP_PROXY counts too. Loopback is always reached directly.',
    commands: EDGE,
    secret: true,
  }),
  httpsProxy: optional(proxyUrl, {
    doc: 'Forward proxy for an https:// upstream, which it tunnels to (CONNECT); HTTPS_PROXY counts too.',
    commands: EDGE,
    secret: true,
  }),
  noProxy: setting(listOf(exemption), {
    doc: 'Upstreams that are reached directly; NO_PROXY counts too.',
    default: [],
    commands: EDGE,
  }),
})
