/**
 * Run by tests in a namespace: `URL [DNS_DELAY_MS]`: one call through a proxy of this process, whose exchange it prints.
 * With a delay it is the DNS server of its namespace too, on the port where the system's resolver looks for one.
 */
import { Peer } from '../support/client.ts'
import { DnsServer } from '../support/dns-server.ts'
import { TestProxy } from '../support/proxy.ts'

const [url = '', dnsDelayMs] = process.argv.slice(2)
if (dnsDelayMs !== undefined) {
  const dns = await DnsServer.start(53)
  dns.behaviour = { ...dns.behaviour, delayMs: Number(dnsDelayMs), address: process.argv[4]! }
}
const proxy = await TestProxy.start(url)
const client = await Peer.connect(proxy.port)
console.log('calling')
client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
await client.head()
client.socket.destroy()
const [seen] = await proxy.finished(1)
console.log(JSON.stringify(seen))
process.exit()
