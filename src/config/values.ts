/** Kinds of setting values: how each reads from text, what it accepts, and how its expectation reads to a person. */
import { isIP } from 'node:net'
import * as z from 'zod'

/** One kind of value. `fromText` is for flags and the environment; text it cannot read passes on, for zod to refuse. */
export interface ValueKind<T extends z.ZodType = z.ZodType> {
  readonly zod: T
  /** Completes the sentence "expected …". */
  readonly expects: string
  /** Placeholder of the value in `--help`. */
  readonly placeholder: string
  readonly fromText: (text: string) => unknown
  /** What exactly is wrong with a value, without secrets; '' where {@link expects} says it all. */
  readonly faultOf?: (value: unknown) => string
  /** What is expected of a part of the value, by its path in it; absent where parts are not told apart. */
  readonly partExpects?: (path: readonly PropertyKey[]) => string
}

/** Where to listen; port 0 lets the system choose. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

const asIs = (text: string): string => text
const numberFromText = (text: string): unknown => (/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text)
const listFromText = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

export function int(min: number, max: number, unit = ''): ValueKind<z.ZodNumber> {
  return {
    zod: z.int().min(min).max(max),
    expects: `a whole number${unit === '' ? '' : ` of ${unit}`}, ${min} to ${max}`,
    placeholder: 'n',
    fromText: numberFromText,
  }
}

/** Milliseconds up to a day; 0 switches the timer off where `offAllowed`. */
export function duration(offAllowed = false): ValueKind<z.ZodNumber> {
  const kind = int(offAllowed ? 0 : 1, 86_400_000, 'milliseconds')
  return { ...kind, expects: offAllowed ? `${kind.expects} (0 switches it off)` : kind.expects, placeholder: 'ms' }
}

export function bytes(min: number, max: number): ValueKind<z.ZodNumber> {
  return { ...int(min, max, 'bytes'), placeholder: 'bytes' }
}

export const ratio: ValueKind<z.ZodNumber> = {
  zod: z.number().min(0).max(1),
  expects: 'a number, 0 to 1',
  placeholder: 'ratio',
  fromText: numberFromText,
}

export const bool: ValueKind<z.ZodBoolean> = {
  zod: z.boolean(),
  expects: 'true or false',
  placeholder: 'true|false',
  fromText: (text) => (text === 'true' ? true : text === 'false' ? false : text),
}

export function oneOf<const T extends readonly [string, ...string[]]>(
  ...choices: T
): ValueKind<z.ZodEnum<{ [K in T[number]]: K }>> {
  return {
    zod: z.enum(choices),
    expects: `one of ${choices.join(', ')}`,
    placeholder: choices.join('|'),
    fromText: asIs,
  }
}

export function text(expects: string, placeholder = 'text'): ValueKind<z.ZodString> {
  return { zod: z.string().min(1), expects, placeholder, fromText: asIs }
}

/** An absolute http(s) URL without user, query and fragment; a path only where `pathAllowed`. */
export function httpUrl(example: string, pathAllowed = false): ValueKind<z.ZodString> {
  return {
    zod: z.string().refine((value) => isHttpUrl(value, pathAllowed)),
    expects: `an http:// or https:// URL such as ${example}, without user${pathAllowed ? '' : ', path'} or query`,
    placeholder: 'url',
    fromText: asIs,
  }
}

export function isHttpUrl(value: string, pathAllowed: boolean): boolean {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return false
  const url = new URL(value)
  const bare = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  return bare && url.hostname !== '' && (pathAllowed || url.pathname === '/')
}

/** Reads `host:port` or `[v6]:port`; undefined where it is neither. */
export function parseHostPort(value: string): HostPort | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(value)
  if (match === null) return undefined
  const host = match[1] ?? match[2]!
  const port = Number(match[3])
  const hostIsGood = match[1] === undefined ? isHostName(host) : isIP(host) === 6
  return hostIsGood && port <= 65535 ? { host, port } : undefined
}

function isHostName(host: string): boolean {
  // All digits and dots is meant as an IPv4 address, and must then be one.
  return /^[\d.]+$/.test(host) ? isIP(host) === 4 : /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/i.test(host)
}

const hostPortFrom = (value: string, context: z.RefinementCtx): HostPort => {
  const parsed = parseHostPort(value)
  if (parsed !== undefined) return parsed
  context.addIssue({ code: 'custom', message: 'not host:port' })
  return z.NEVER
}

export const hostPort = {
  zod: z.string().transform(hostPortFrom),
  expects: 'HOST:PORT, such as 127.0.0.1:8080 or [::]:8080',
  placeholder: 'host:port',
  fromText: asIs,
} satisfies ValueKind

/** An address with or without a port, as `dns.setServers` takes it. */
export const addressPort: ValueKind<z.ZodString> = {
  zod: z.string().refine((value) => isIP(value) !== 0 || isIP(parseHostPort(value)?.host ?? '') !== 0),
  expects: 'an address such as 10.0.0.2, 10.0.0.2:5353, fd00::2 or [fd00::2]:5353',
  placeholder: 'address[:port]',
  fromText: asIs,
}

export const hostPortOrOff = {
  zod: z
    .string()
    .transform((value, context): HostPort | 'off' => (value === 'off' ? 'off' : hostPortFrom(value, context))),
  expects: 'HOST:PORT, such as 127.0.0.1:8080 or [::]:8080, or off',
  placeholder: 'host:port|off',
  fromText: asIs,
} satisfies ValueKind

export function listOf<T extends z.ZodType>(item: ValueKind<T>, max = 256): ValueKind<z.ZodArray<T>> {
  return {
    zod: z.array(item.zod).max(max),
    expects: `a list of at most ${max}, each ${item.expects}`,
    placeholder: `${item.placeholder},…`,
    fromText: (value) => listFromText(value).map(item.fromText),
  }
}

/** A CIDR block of either family; a bare address means that address alone. */
export const cidr: ValueKind<z.ZodString> = {
  zod: z.string().refine(isCidr),
  expects: 'an address or CIDR block such as 10.0.0.0/8 or fd00::/8',
  placeholder: 'cidr',
  fromText: asIs,
}

function isCidr(value: string): boolean {
  const match = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(value)
  const family = match === null ? 0 : isIP(match[1]!)
  return family !== 0 && (match![2] === undefined || Number(match![2]) <= (family === 4 ? 32 : 128))
}

export const hostPattern: ValueKind<z.ZodString> = {
  zod: z.string().refine((value) => isIP(value) !== 0 || isHostName(value.startsWith('*.') ? value.slice(2) : value)),
  expects: 'a host name, *.domain or an address',
  placeholder: 'host',
  fromText: asIs,
}

/** Text to text; as text `key=value,key=value`, values percent-decoded (W3C Baggage, as OpenTelemetry's variables). */
export const textMap: ValueKind<z.ZodRecord<z.ZodString, z.ZodString>> = {
  zod: z.record(z.string().min(1), z.string()),
  expects: 'names with text values (as text: name=value,name=value)',
  placeholder: 'name=value,…',
  fromText: (value) => parseTextMap(value) ?? value,
}

/** A {@link textMap} of gRPC metadata: ASCII without control characters; values of names in -bin would be binary. */
export const metadataMap: ValueKind<z.ZodRecord<z.ZodString, z.ZodString>> = {
  ...textMap,
  zod: z.record(
    z.string().refine((name) => /^[0-9a-z_.-]+$/i.test(name) && !/-bin$/i.test(name)),
    z.string().regex(/^[ -~]*$/),
  ),
  expects: `${textMap.expects}, names of letters, digits, "_", "." and "-" that do not end in -bin, values of printable ASCII`,
}

/** Undefined where a member is not `name=value`. A percent sign that is no escape stays as it is. */
export function parseTextMap(value: string): Record<string, string> | undefined {
  const entries: [string, string][] = []
  for (const member of listFromText(value)) {
    const equals = member.indexOf('=')
    if (equals < 1) return undefined
    entries.push([member.slice(0, equals).trim(), percentDecoded(member.slice(equals + 1).trim())])
  }
  return Object.fromEntries(entries)
}

function percentDecoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value // raw values with a lone % are common in the wild, and meant literally
  }
}
