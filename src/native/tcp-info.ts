/** TCP_INFO: what the kernel knows of a connection (linux/tcp.h, struct tcp_info; fields only ever get appended). */
import { endianness } from 'node:os'
import { type Libc, libc } from './libc.ts'

const IPPROTO_TCP = 6
const TCP_INFO = 11
/** Up to and with tcpi_reord_seen (Linux 4.19); an older kernel fills less, and the rest reads as 0. */
const BYTES = 224

/** One reading, reused from call to call so that reading costs no allocation. Counters are since the connect. */
export class TcpInfo {
  /** TCP state; 1 is ESTABLISHED (net/tcp_states.h). */
  state = 0
  /** Smoothed round trip, microseconds. */
  rttUs = 0
  rttVarUs = 0
  /** Least round trip seen, microseconds. */
  minRttUs = 0
  /** Retransmission timeout, microseconds. */
  rtoUs = 0
  /** Segments sent again, in all. */
  totalRetrans = 0
  /** Segments that are taken for lost now. */
  lost = 0
  /** Segments sent and not acknowledged now. */
  unacked = 0
  /** Congestion window, segments. */
  congestionWindow = 0
  /** Bytes that the peer acknowledged. */
  bytesAcked = 0
  bytesReceived = 0
  /** Bytes sent, retransmissions included. */
  bytesSent = 0
  bytesRetrans = 0
  /** Bytes in the send buffer that were never sent. */
  notSentBytes = 0
  /** Latest measured delivery rate, bytes a second. */
  deliveryRate = 0
  /** Segments delivered to the peer. */
  delivered = 0
}

const memory = Buffer.alloc(BYTES)
const words = new Uint32Array(memory.buffer, memory.byteOffset, BYTES / 4)
const length = new Uint32Array(1)
const LOW = endianness() === 'LE' ? 0 : 1
const HIGH = 1 - LOW

let calls: Libc | undefined
let absent = false

/** Fill `out`; false (and `out` untouched) where there is no FFI or `fd` is not an open TCP socket. */
export function tcpInfo(fd: number, out: TcpInfo): boolean {
  if (fd < 0 || absent) return false
  if (calls === undefined) {
    const loaded = libc()
    if ('missing' in loaded) {
      absent = true
      return false
    }
    calls = loaded
  }
  length[0] = BYTES
  if (calls.getsockopt(fd, IPPROTO_TCP, TCP_INFO, memory, length) !== 0) return false
  if (length[0]! < BYTES) memory.fill(0, length[0])
  decode(out)
  return true
}

/** Word numbers are byte offsets / 4. */
function decode(out: TcpInfo): void {
  out.state = memory[0]!
  out.rtoUs = words[2]!
  out.unacked = words[6]!
  out.lost = words[8]!
  out.rttUs = words[17]!
  out.rttVarUs = words[18]!
  out.congestionWindow = words[20]!
  out.totalRetrans = words[25]!
  out.bytesAcked = long(30)
  out.bytesReceived = long(32)
  out.notSentBytes = words[36]!
  out.minRttUs = words[37]!
  out.deliveryRate = long(40)
  out.delivered = words[48]!
  out.bytesSent = long(50)
  out.bytesRetrans = long(52)
}

function long(word: number): number {
  return words[word + HIGH]! * 0x1_0000_0000 + words[word + LOW]!
}
