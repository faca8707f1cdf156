/**
 * TCP_INFO of both sides of an exchange. A reading costs microseconds, so that it is taken for exchanges that failed
 * or were slow, and else once a second for each client connection.
 */
import { nowUs } from '../core/clock.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { TcpInfo, tcpInfo } from '../native/tcp-info.ts'

const EVERY_US = 1_000_000
const SLOW_US = 100_000

/** Round trips in microseconds and retransmits since the connect; -1 where a side could not be read. */
export interface TcpReading {
  downstreamRttUs: number
  downstreamRetransmits: number
  upstreamRttUs: number
  upstreamRetransmits: number
  /** Segments sent again since the last reading of the connection. */
  downstreamResent: number
  upstreamResent: number
}

/** A reader that gives the same object each time. */
export function tcpFactsReader(): (x: Exchange) => TcpReading | undefined {
  const info = new TcpInfo()
  const reading: TcpReading = {
    downstreamRttUs: -1,
    downstreamRetransmits: -1,
    upstreamRttUs: -1,
    upstreamRetransmits: -1,
    downstreamResent: 0,
    upstreamResent: 0,
  }
  /** Retransmits at the last reading, by descriptor. */
  const before = new Map<number, number>()
  const resent = (fd: number, total: number, fresh: boolean): number => {
    const known = fresh ? 0 : (before.get(fd) ?? 0)
    if (total === 0 && known === 0) return 0
    before.set(fd, total)
    // A descriptor may be another connection's by now.
    return total >= known ? total - known : total
  }
  return (x) => {
    const { connection } = x
    const now = x.timing.finishUs
    if (x.error === undefined && x.durationUs < SLOW_US && now - connection.tcpReadUs < EVERY_US) return undefined
    connection.tcpReadUs = nowUs()
    // The descriptor of a closed connection may be another one by now.
    const gone = x.error?.code === 'client_closed' || x.error?.code === 'draining'
    const down = !gone && connection.fd >= 0 && tcpInfo(connection.fd, info)
    reading.downstreamRttUs = down ? info.rttUs : -1
    reading.downstreamRetransmits = down ? info.totalRetrans : -1
    reading.downstreamResent = down ? resent(connection.fd, info.totalRetrans, connection.exchanges <= 1) : 0
    const up = x.upstreamFd >= 0 && tcpInfo(x.upstreamFd, info)
    reading.upstreamRttUs = up ? info.rttUs : -1
    reading.upstreamRetransmits = up ? info.totalRetrans : -1
    reading.upstreamResent = up ? resent(x.upstreamFd, info.totalRetrans, !x.upstreamReused) : 0
    return reading
  }
}
