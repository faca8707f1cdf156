/** IP addresses between text and bytes, so that two spellings of one address compare equal. Pure; knows no socket. */
import { isIPv4, isIPv6 } from 'node:net'

/** 4 or 16 bytes in network order, or undefined for what is not an address. A zone (`%eth0`) is ignored. */
export function parseIp(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.', 4), Number)
  const zone = text.indexOf('%')
  const bare = zone < 0 ? text : text.slice(0, zone)
  return isIPv6(bare) ? parseIpv6(bare) : undefined
}

function parseIpv6(text: string): Uint8Array {
  const [head = '', tail] = text.split('::', 2)
  const before = groupBytes(head)
  const after = tail === undefined ? [] : groupBytes(tail)
  const bytes = new Uint8Array(16)
  bytes.set(before, 0)
  bytes.set(after, 16 - after.length)
  return bytes
}

function groupBytes(text: string): number[] {
  const bytes: number[] = []
  if (text === '') return bytes
  for (const group of text.split(':')) {
    if (group.includes('.')) {
      for (const part of group.split('.')) bytes.push(Number(part))
    } else {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
    }
  }
  return bytes
}

/** Canonical text (RFC 5952); IPv4-mapped IPv6 becomes plain IPv4, as everywhere else in the proxy. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (isMapped(bytes)) return bytes.subarray(12).join('.')
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!)
  const { at, length } = longestZeroRun(groups)
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(':')
  return length < 2 ? text(groups) : `${text(groups.slice(0, at))}::${text(groups.slice(at + length))}`
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false
  return bytes[10] === 0xff && bytes[11] === 0xff
}

function longestZeroRun(groups: readonly number[]): { at: number; length: number } {
  let best = { at: 0, length: 0 }
  for (let i = 0; i < groups.length; ) {
    let end = i
    while (end < groups.length && groups[end] === 0) end++
    if (end - i > best.length) best = { at: i, length: end - i }
    i = end + 1
  }
  return best
}

/** The canonical spelling, or the text itself where it is no address. */
export function canonicalIp(text: string): string {
  const bytes = parseIp(text)
  return bytes === undefined ? text : formatIp(bytes)
}

/** A network in canonical form with its host bits cleared, as the kernel lists it; undefined for what is none. */
export function canonicalCidr(text: string): { readonly cidr: string; readonly family: 4 | 6 } | undefined {
  const [address = '', prefixText, ...rest] = text.split('/')
  const bytes = address.includes('%') ? undefined : parseIp(address)
  if (bytes === undefined || rest.length > 0) return undefined
  const bits = bytes.length * 8
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) return undefined
  const prefix = prefixText === undefined ? bits : Number(prefixText)
  if (prefix > bits || (bits === 128 && isMapped(bytes))) return undefined
  for (let i = 0; i < bytes.length; i++) {
    const keep = Math.min(8, Math.max(0, prefix - i * 8))
    bytes[i] = bytes[i]! & (0xff00 >> keep) & 0xff
  }
  return { cidr: `${formatIp(bytes)}/${prefix}`, family: bits === 32 ? 4 : 6 }
}

/** `::ffff:10.0.0.1` → `10.0.0.1`: a dual-stack listener reports IPv4 peers in mapped form (RFC 4291 §2.5.5.2). */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return ''
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
