/** MQTT by its CONNECT packet, which must come first (MQTT 3.1.1 and 5.0, §3.1; 3.1 is named MQIsdp). */
import { type Check, matches } from './first-bytes.ts'

const CONNECT = 0x10
const MAX_LENGTH_BYTES = 4
const NAME = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54])
const OLD_NAME = Buffer.from([0, 6, 0x4d, 0x51, 0x49, 0x73, 0x64, 0x70])
const VERSIONS: Readonly<Record<number, string>> = { 3: '3.1', 4: '3.1.1', 5: '5.0' }
/** Set beside the version by brokers that are a bridge. */
const BRIDGE = 0x80

export const mqttClient: Check = (buf, end) => {
  if (end === 0) return 'more'
  if (buf[0] !== CONNECT) return 'no'
  let at = 1
  let length = 0
  for (;;) {
    if (at > MAX_LENGTH_BYTES) return 'no'
    if (at >= end) return 'more'
    const byte = buf[at]!
    length += (byte & 0x7f) * 2 ** (7 * (at - 1))
    at++
    if (byte < 0x80) break
  }
  const name = matches(buf, end, at, NAME)
  const old = matches(buf, end, at, OLD_NAME)
  if (name !== 'yes' && old !== 'yes') return name === 'more' || old === 'more' ? 'more' : 'no'
  at += name === 'yes' ? NAME.length : OLD_NAME.length
  if (at >= end) return 'more'
  const level = buf[at]! & ~BRIDGE
  const version = VERSIONS[level]
  if (version === undefined || (old === 'yes') !== (level === 3)) return 'no'
  if (at + 1 >= end) return 'more'
  // Level, flags, keep alive, and the length of the client id.
  const rest = name === 'yes' ? NAME.length : OLD_NAME.length
  if (!flagsFit(buf[at + 1]!, level) || length < rest + 6) return 'no'
  return { name: 'mqtt', version, variant: '' }
}

/** Reserved bit zero; no will, no QoS and retain of one; a password needs a user name before version 5. */
function flagsFit(flags: number, level: number): boolean {
  const willQos = (flags >> 3) & 3
  if ((flags & 1) !== 0 || willQos === 3) return false
  if ((flags & 4) === 0 && (willQos !== 0 || (flags & 0x20) !== 0)) return false
  return level === 5 || (flags & 0x80) !== 0 || (flags & 0x40) === 0
}
