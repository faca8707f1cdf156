/** The resolver of one proxy out of the mesh: `ADDRESS`, which every name has. Faults on 8053: `/slow/MS`, `/failing`, `/none`. */
import { createServer } from 'node:http'
import { DnsServer } from '../../test/support/dns-server.ts'
import { RESOLVER_CONTROL_PORT, RESOLVER_PORT } from './ports.ts'

const [address = '127.0.0.1'] = process.argv.slice(2)
const dns = await DnsServer.start(RESOLVER_PORT)
const usual = { address, ttlS: 1, delayMs: 0, answer: 'address' } as const
dns.behaviour = usual

createServer((request, response) => {
  const [, wanted = '', amount = '0'] = (request.url ?? '').split('/')
  if (wanted === 'slow') dns.behaviour = { ...usual, delayMs: Number(amount) }
  else dns.behaviour = wanted === 'failing' ? { ...usual, answer: 'unknown' } : usual
  response.end('ok')
}).listen(RESOLVER_CONTROL_PORT, '0.0.0.0', () => console.log('listening'))
