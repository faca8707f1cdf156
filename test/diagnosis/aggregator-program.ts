/** An aggregator in a network namespace: tells what it watches, a line of JSON each 200 ms. */
import { running } from '../aggregator/running.ts'

const it = await running({
  ...{ epochMs: 700, otlpGrpc: { host: '127.0.0.1', port: 4317 }, otlpHttp: 'off', metrics: 'off' },
})
console.log('listening')
setInterval(async () => console.log(JSON.stringify(await it.ask('hopscope/incidents'))), 200)
process.once('SIGTERM', () => void it.end().finally(() => process.exit(0)))
