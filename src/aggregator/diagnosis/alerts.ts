/** Where incidents are told of, beside the page: webhook, syslog, SNMP traps. */
import { createSocket } from 'node:dgram'
import type { Logger } from '../../core/log.ts'
import type { IncidentChange } from '../store/protocol.ts'
import type { Incident } from './incidents.ts'
import { snmpTrap } from './snmp-trap.ts'
import { syslogMessage } from './syslog.ts'
import { startWebhook } from './webhook.ts'

export interface Place {
  readonly host: string
  readonly port: number
}

export interface AlertOptions {
  readonly webhook?: string | undefined
  /** Receiver of syslog datagrams. */
  readonly syslog?: Place | undefined
  /** Receiver of SNMPv2c traps. */
  readonly snmp?: (Place & { readonly community: string }) | undefined
  readonly log: Logger
}

export interface Alerts {
  tell(incident: Incident, change: IncidentChange): void
  close(): Promise<void>
}

export function startAlerts({ webhook: url, syslog, snmp, log }: AlertOptions): Alerts {
  const webhook = url === undefined ? undefined : startWebhook({ url, log })
  const begun = performance.now()
  let traps = 0
  return {
    tell: (incident, change) => {
      webhook?.send(incident, change)
      if (syslog !== undefined) datagram(syslog, syslogMessage(incident, change), log)
      if (snmp === undefined) return
      const upTicks = Math.floor((performance.now() - begun) / 10)
      datagram(snmp, snmpTrap(incident, change, snmp.community, ++traps % 0x7fffffff, upTicks), log)
    },
    close: async () => webhook?.close(),
  }
}

/** Nobody says whether a datagram arrived; a name that is none is worth a word. A socket of its own: the family may change. */
function datagram({ host, port }: Place, message: Buffer, log: Logger): void {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  socket.on('error', (error) => {
    log.warn({ host, port, err: error }, 'an incident could not be sent')
    socket.close()
  })
  socket.send(message, port, host, (error) => {
    if (error === null || error === undefined) socket.close()
  })
}
