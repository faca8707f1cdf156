/** Settings of connections that are forwarded unread. */
import { SERVERS } from './commands.ts'
import { group, setting } from './setting.ts'
import { bool, int } from './values.ts'

const commands = SERVERS

export const opaque = group({
  calls: setting(bool, {
    doc: 'Whether requests and replies inside of MQTT and Thrift connections are paired, timed and recorded. false: connections are named and no more.',
    default: true,
    commands,
  }),
  callsPerSecond: setting(int(0, 1_000_000), {
    doc: 'Most of these calls that are recorded as spans or logged in a second; all are counted in metrics.',
    default: 1000,
    commands,
  }),
})
