/** Incidents as SNMPv2c traps (RFC 3416 §4.2.6), in BER (X.690) as RFC 3417 §8 narrows it. */
import type { IncidentChange } from '../store/protocol.ts'
import type { Incident } from './incidents.ts'
import { cut } from './syslog.ts'

const INTEGER = 0x02
const OCTETS = 0x04
const OBJECT_ID = 0x06
const SEQUENCE = 0x30
const TIME_TICKS = 0x43
const TRAP_V2 = 0xa7
const VERSION_2C = 1

const SYS_UP_TIME = [1, 3, 6, 1, 2, 1, 1, 3, 0]
const SNMP_TRAP_OID = [1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0]
/** Below the number that RFC 5612 keeps for examples: we have none of our own. */
const OURS = [1, 3, 6, 1, 4, 1, 32473, 1]
const CHANGES: Readonly<Record<IncidentChange, number>> = { opened: 1, changed: 2, closed: 3 }
/** A trap stays in one packet. */
const MAX_TEXT_BYTES = 200

/**
 * Trap `…32473.1.0.N` (1 opened, 2 changed, 3 closed) with `…32473.1.1.1` to `.5`: id, summary, diagnosis, service, first
 * evidence. `upTicks`: hundredths of a second since the start of the process.
 */
export function snmpTrap(
  incident: Incident,
  change: IncidentChange,
  community: string,
  request: number,
  upTicks: number,
): Buffer {
  const [cause] = incident.causes
  const texts = [incident.id, incident.summary, cause?.diagnosis ?? '', cause?.service ?? '', cause?.evidence[0] ?? '']
  const bindings = [
    binding(SYS_UP_TIME, tlv(TIME_TICKS, integer(upTicks % 4_294_967_296))),
    binding(SNMP_TRAP_OID, objectId([...OURS, 0, CHANGES[change]])),
    ...texts.map((text, i) => binding([...OURS, 1, i + 1], tlv(OCTETS, cut(Buffer.from(text), MAX_TEXT_BYTES)))),
  ]
  const pdu = tlv(TRAP_V2, number(request), number(0), number(0), tlv(SEQUENCE, ...bindings))
  return tlv(SEQUENCE, number(VERSION_2C), tlv(OCTETS, Buffer.from(community)), pdu)
}

const binding = (name: readonly number[], value: Buffer): Buffer => tlv(SEQUENCE, objectId(name), value)
const number = (value: number): Buffer => tlv(INTEGER, integer(value))

function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length = body.length
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), body])
}

/** Big endian, no longer than needed, the first bit free for the sign. */
function integer(value: number): Buffer {
  const bytes = [value % 256]
  for (let rest = Math.floor(value / 256); rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  if (bytes[0]! >= 0x80) bytes.unshift(0)
  return Buffer.from(bytes)
}

function objectId([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  const bytes = [first * 40 + second]
  for (const part of rest) {
    const groups = [part & 0x7f]
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return tlv(OBJECT_ID, Buffer.from(bytes))
}
