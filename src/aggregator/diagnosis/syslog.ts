/** Incidents as syslog messages (RFC 5424), one to a datagram (RFC 5426). */
import { hostname } from 'node:os'
import type { IncidentChange } from '../store/protocol.ts'
import type { Incident } from './incidents.ts'

/** Facility local0. */
const FACILITY = 16
const NOTICE = 5
const WARNING = 4
const ERROR = 3
/** What receivers should take (RFC 5426 §3.2). */
const MAX_BYTES = 2048
/** The number that RFC 5612 keeps for examples: we have none of our own. */
const ENTERPRISE = 32473

/** Characters that structured data has escaped (RFC 5424 §6.3.3). */
const quoted = (text: string): string => `"${text.replaceAll(/["\\\]]/g, (found) => `\\${found}`)}"`

/** One message, cut between characters where it is too long. */
export function syslogMessage(incident: Incident, change: IncidentChange, host = hostname()): Buffer {
  const priority = FACILITY * 8 + (change === 'closed' ? NOTICE : incident.severity === 'warning' ? WARNING : ERROR)
  const [cause] = incident.causes
  const fields: readonly (readonly [string, string])[] = [
    ['id', incident.id],
    ['change', change],
    ['diagnosis', cause?.diagnosis ?? ''],
    ['service', cause?.service ?? ''],
  ]
  const data = `[incident@${ENTERPRISE} ${fields.map(([name, value]) => `${name}=${quoted(value)}`).join(' ')}]`
  const atMs = change === 'closed' ? (incident.closedMs ?? incident.openedMs) : incident.openedMs
  const header = `<${priority}>1 ${new Date(atMs).toISOString()} ${host} hopscope ${process.pid} incident ${data}`
  const more = change === 'closed' ? ': over' : `; ${cause?.evidence[0] ?? ''}`
  // The byte order mark says that UTF-8 follows.
  return cut(Buffer.from(`${header} \uFEFF${incident.summary}${more}`), MAX_BYTES)
}

/** At most so many bytes of UTF-8, no character in two. */
export function cut(text: Buffer, most: number): Buffer {
  if (text.length <= most) return text
  let end = most
  while ((text[end]! & 0xc0) === 0x80) end--
  return text.subarray(0, end)
}
