/** Run by tests in a namespace: receives spans by OTLP/gRPC on `PORT` of loopback, and tells each as a line of JSON. */
import { startIngest } from '../../src/aggregator/ingest.ts'

await startIngest({
  port: Number(process.argv[2]),
  onSpans: (spans) => {
    for (const { traceId, spanId, parentSpanId, name, kind, startNs, endNs, attributes, links } of spans) {
      const told = {
        traceId,
        spanId,
        parentSpanId,
        name,
        kind,
        durationUs: Number(endNs - startNs) / 1000,
        attributes: Object.fromEntries(attributes),
        links: links.map((link) => ({ ...link, attributes: Object.fromEntries(link.attributes) })),
      }
      console.log(JSON.stringify(told))
    }
  },
})
console.log('listening')
