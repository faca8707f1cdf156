/** Diagnoses of the way between two services: names, TCP, TLS. */
import { rowsOf } from './diagnosis-entry.ts'

const network = rowsOf('network')
const inIncident = rowsOf('network', ['incident'])

export const NETWORK_DIAGNOSES = {
  connection_refused: network(
    'connection refused',
    'Nothing listens where the call goes: the process is down, still starting, or listens elsewhere.',
    'Hops that fail in the connect phase with ECONNREFUSED, within a round trip, and no span of the other side.',
    'Is the process up and ready (`ss -ltnp`)? Does the port agree with the Service? Did a deploy or a crash begin at the onset?',
  ),
  connection_reset: network(
    'connection reset',
    'The other side ended the connection while the call was on it.',
    'Hops that fail with ECONNRESET or an early end after the request was sent.',
    'Crashes and restarts of the other side, its idle timeout against the pool of the caller, anything between that cuts connections (firewall, conntrack).',
  ),
  connect_timeout: network(
    'no answer to connects',
    'SYNs are not answered: the host is gone, a firewall drops them, or its queue of new connections is full.',
    'Hops that fail in the connect phase after the whole connect timeout.',
    'Can the host be reached from there? Network policies, security groups, `nstat TcpExtListenOverflows` on the other side.',
  ),
  dns_failing: network(
    'names are not resolved',
    'The resolver gives no answer, or the name does not exist.',
    'Hops that fail in the dns phase.',
    'The name itself, the resolver (`dig` from that pod), its limits, `ndots` and search domains.',
  ),
  dns_slow: network(
    'slow DNS',
    'Resolving the name takes a noteworthy part of the call.',
    'The dns phase takes more than it did, and more than other phases grew by.',
    'Latency and drops of the resolver, queries for search domains (`ndots`), UDP packets lost (retries after whole seconds).',
  ),
  tls_certificate_expired: network(
    'certificate expired or not valid yet',
    'The time of a certificate in the handshake is over, or has not begun.',
    'Hops that fail in the tls phase with a certificate error of time.',
    '`openssl s_client -connect host:port` for the dates, whether it was renewed and not loaded, the clock of both hosts.',
  ),
  tls_certificate_expiring: inIncident(
    'certificate about to expire',
    'A certificate in use ends soon.',
    'The dates in handshakes, before any failure: the last tenth of its life, its last week at most.',
    'Whether renewal runs, and whether the server loads what it renews.',
  ),
  tls_version_mismatch: network(
    'TLS versions or ciphers do not meet',
    'The two sides have no TLS version, cipher or protocol in common.',
    'Hops that fail in the tls phase with a version, cipher or ALPN error.',
    'Least and greatest version on both sides, what an upgrade switched off.',
  ),
  tls_failing: network(
    'TLS handshakes fail',
    'Handshakes do not come to an end: untrusted authority, wrong name, a client certificate that is missing, or no TLS at the other side.',
    'Hops that fail in the tls phase; the code says at what.',
    '`hopscope explain` with the code of the failed hop; then certificates and names on both sides.',
  ),
  retransmissions: inIncident(
    'packets are lost',
    'TCP has to send segments again: the way drops packets.',
    'Retransmits of TCP_INFO: more segments a second, and on more exchanges, than usual; delays by multiples of 200 ms.',
    'Drops at interfaces and queues (`ip -s link`, `tc -s qdisc`), policers, saturated links, a bad cable.',
  ),
  network_slow: network(
    'slow network',
    'The way between the two services takes longer, evenly.',
    'The caller waits longer than the callee takes; the difference grew, its spread did not.',
    'Round trip time between the two hosts, a new route or another zone, queues on the way, proxies that are traced by nobody.',
  ),
  network_jitter: inIncident(
    'unsteady network',
    'The way between the two services takes now little, now long.',
    'The difference between the durations of caller and callee spread much more than it grew.',
    'Saturated links and their queues, a host that is short of CPU, wireless or shared lines.',
  ),
  blackhole: network(
    'the way swallows what is sent',
    'Connections stand, requests leave, nothing comes back and nothing is refused: a dead host, a firewall that forgot the connection, or a path MTU that is not announced (small passes, large stalls).',
    'Hops that fail by timeout in the send or wait phase, without a span of the other side.',
    'Do small requests pass where large ones stall? Then look at MTU (`ping -M do -s 1472`). Else conntrack, the state of the host, network policies.',
  ),
  mtu_black_hole: inIncident(
    'MTU black hole',
    'Small packets pass, full ones vanish, and the ICMP that would tell is filtered.',
    'On one edge nearly all exchanges with bodies beyond a packet stall, and small ones pass.',
    '`ping -M do -s 1472 host`, MTU of overlays and tunnels, filters of ICMP type 3 code 4, `net.ipv4.tcp_mtu_probing`.',
  ),
} as const
