/** Settings of the Idempotency-Key feature. */
import * as z from 'zod'
import { parseStoreUrl } from '../core/store-url.ts'
import { SERVING } from './commands.ts'
import { group, optional, setting } from './setting.ts'
import { bool, bytes, duration, int, listOf, oneOf, text, type ValueKind } from './values.ts'

const MIB = 1024 * 1024
const DAY_MS = 86_400_000

/** Milliseconds up to 90 days. */
const longDuration: ValueKind<z.ZodNumber> = { ...int(0, 90 * DAY_MS, 'milliseconds'), placeholder: 'ms' }

const storeUrl: ValueKind<z.ZodString> = {
  zod: z.string().refine((value) => storeUrlFault(value) === ''),
  expects: 'memory, file:DIR or redis://…',
  faultOf: (value) => (typeof value === 'string' ? storeUrlFault(value) : ''),
  placeholder: 'memory|file:dir|redis://…',
  fromText: (value) => value,
}

/** What is wrong with the URL of a store, without passwords; '' for nothing. */
function storeUrlFault(value: string): string {
  try {
    parseStoreUrl(value)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

/** Names a place on this machine; any other text may hold a password, and a mistyped one anywhere. */
function isLocalStore(value: unknown): boolean {
  return typeof value === 'string' && /^(memory|file:)/.test(value) && storeUrlFault(value) === ''
}

const method: ValueKind<z.ZodString> = {
  zod: z.string().regex(/^(?!GET$|HEAD$|OPTIONS$|TRACE$|CONNECT$)[A-Z][A-Z-]{0,31}$/),
  expects: 'a method in capitals that changes something, such as POST',
  placeholder: 'method',
  fromText: (value) => value,
}

/** `429` or `5xx`. */
const statusPattern: ValueKind<z.ZodCodec<z.ZodUnion<[z.ZodString, z.ZodInt]>, z.ZodString>> = {
  zod: z.codec(z.union([z.string().regex(/^[45](\d\d|xx)$/), z.int().min(400).max(599)]), z.string(), {
    decode: String,
    encode: (value) => value,
  }),
  expects: 'a status from 400 to 599, 4xx or 5xx',
  placeholder: 'status',
  fromText: (value) => value,
}

const principal: ValueKind<z.ZodString> = {
  zod: z.string().regex(/^(authorization|mtls|address|header:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|jwt:[^\s]+)$/),
  expects: 'authorization, header:NAME, jwt:CLAIM, mtls or address',
  placeholder: 'principal',
  fromText: (value) => value,
}

const modes = oneOf('off', 'honour', 'require')
const storeDown = oneOf('closed', 'open')
const onUnknown = oneOf('refuse', 'retry')
const bodyBytes = bytes(0, 1024 * MIB)
const responseBytes = bytes(0, 64 * MIB)
const wait = duration(true)

const path: ValueKind<z.ZodString> = {
  zod: z.string().regex(/^\/\S*$/),
  expects: 'a path such as /payments or /v1/*/refunds',
  placeholder: 'path',
  fromText: (value) => value,
}

/** What a rule may say, and nothing else. */
const parts = {
  methods: listOf(method, 16),
  path,
  mode: modes,
  ttlMs: longDuration,
  waitMs: wait,
  maxBodyBytes: bodyBytes,
  maxResponseBytes: responseBytes,
  release: listOf(statusPattern, 64),
  onStoreDown: storeDown,
  onUnknown,
  principal,
}

const route = z.strictObject({
  methods: z.optional(parts.methods.zod),
  path: z.optional(parts.path.zod),
  mode: z.optional(parts.mode.zod),
  ttlMs: z.optional(parts.ttlMs.zod),
  waitMs: z.optional(parts.waitMs.zod),
  maxBodyBytes: z.optional(parts.maxBodyBytes.zod),
  maxResponseBytes: z.optional(parts.maxResponseBytes.zod),
  release: z.optional(parts.release.zod),
  onStoreDown: z.optional(parts.onStoreDown.zod),
  onUnknown: z.optional(parts.onUnknown.zod),
  principal: z.optional(parts.principal.zod),
})

const isPart = (name: PropertyKey | undefined): name is keyof typeof parts =>
  name !== undefined && Object.hasOwn(parts, name)

/** Rules in order; the first that fits a request decides. As text: the same as JSON. */
const routes: ValueKind<z.ZodArray<typeof route>> = {
  zod: z.array(route).max(256),
  expects: `a list of at most 256 rules with any of ${Object.keys(parts).join(', ')} (as text: JSON)`,
  partExpects: ([, part]) =>
    isPart(part) ? parts[part].expects : `a rule with any of ${Object.keys(parts).join(', ')}`,
  placeholder: 'json',
  fromText: (value) => {
    try {
      return JSON.parse(value)
    } catch {
      return value
    }
  },
}

const live = { commands: SERVING }

export const idempotency = group({
  store: optional(storeUrl, {
    doc: 'Where answers to requests with an Idempotency-Key are kept. Unset: keys are forwarded and mean nothing here.',
    ...live,
    secret: (value) => !isLocalStore(value),
  }),
  storeBudgetMs: setting(int(1, 60_000, 'milliseconds'), {
    doc: 'What a store outside of this process may cost a request, all operations together; then it counts as down.',
    default: 50,
    ...live,
  }),
  certificate: optional(text('a PEM file', 'file'), {
    doc: 'Certificate authorities that a store at rediss:// is checked against, in place of those of the runtime.',
    ...live,
  }),
  clientCertificate: optional(text('a PEM file', 'file'), {
    doc: 'Certificate shown to a store at rediss:// (mTLS).',
    ...live,
  }),
  clientKey: optional(text('a PEM file', 'file'), { doc: 'Private key of that certificate.', ...live }),
  mode: setting(modes, {
    doc: 'What a key means where no route says otherwise: nothing, a request that runs once, or that and a missing key is refused.',
    default: 'honour',
    ...live,
  }),
  methods: setting(listOf(method, 16), {
    doc: 'Methods whose keys are looked at, where no route says otherwise.',
    default: ['POST', 'PATCH'],
    ...live,
  }),
  routes: setting(routes, {
    doc: 'Rules for some requests, in order; the first whose methods and path fit decides, and what it leaves out is as set here. In a path, * stands for one segment and ** for any number.',
    default: [],
    ...live,
  }),
  outbound: setting(bool, {
    doc: 'Whether keys of outbound requests are looked at too. With a proxy on both sides of a hop, one of them is enough.',
    default: false,
    commands: ['sidecar'],
  }),
  principal: setting(principal, {
    doc: 'Whose key it is: two principals never share one. jwt:CLAIM reads the bearer token without verifying it.',
    default: 'authorization',
    ...live,
  }),
  withoutPrincipal: setting(oneOf('refuse', 'address'), {
    doc: 'A request with a key and no principal: refused, or scoped by the address of the client. Behind a load balancer all clients have one address.',
    default: 'refuse',
    ...live,
  }),
  ttlMs: setting(longDuration, { doc: 'How long an answer is kept.', default: DAY_MS, ...live }),
  graceMs: setting(longDuration, {
    doc: 'How long after that a key is still known as expired and refused, so that a late repeat does not run.',
    default: DAY_MS,
    ...live,
  }),
  leaseMs: setting(int(500, 600_000, 'milliseconds'), {
    doc: 'How long a process may be silent about a request that it runs before that counts as lost. Renewed while it runs.',
    default: 10_000,
    ...live,
  }),
  waitMs: setting(wait, {
    doc: 'How long a repeat waits for the answer to the request that runs, before it is answered 409.',
    default: 5000,
    ...live,
  }),
  detachedMs: setting(duration(), {
    doc: 'How long a request runs on whose client has left.',
    default: 300_000,
    ...live,
  }),
  maxBodyBytes: setting(bodyBytes, {
    doc: 'Largest request body with a key; larger ones are refused (413).',
    default: 64 * MIB,
    ...live,
  }),
  maxResponseBytes: setting(responseBytes, {
    doc: 'Largest response body that is kept. Of a larger one only status and size are, and repeats are answered 409.',
    default: MIB,
    ...live,
  }),
  release: setting(listOf(statusPattern, 64), {
    doc: 'Statuses that say that nothing ran: the answer is not kept and the key is free again.',
    default: ['401', '407', '408', '421', '425', '429'],
    ...live,
  }),
  onStoreDown: optional(storeDown, {
    doc: 'A request with a key while the store is down: refused (503), or forwarded and marked. Unset: closed where a key is required, else open.',
    ...live,
  }),
  onUnknown: setting(onUnknown, {
    doc: 'A repeat of a request whose outcome is unknown: refused (409), or sent again, for upstreams that know the key themselves.',
    default: 'refuse',
    ...live,
  }),
})
