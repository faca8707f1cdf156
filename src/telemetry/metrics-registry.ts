/** prom-client's registry over our own metrics, with its figures of the process and the runtime. */
import { performance } from 'node:perf_hooks'
import { collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client'
import type { ScrapedMetric } from './metrics.ts'

export function createRegistry(metrics: readonly ScrapedMetric[]): Registry {
  const registry = new Registry()
  for (const metric of metrics) registry.registerMetric(asPromMetric(metric))
  collectDefaultMetrics({ register: registry })
  let last = performance.eventLoopUtilization()
  new Gauge({
    name: 'nodejs_eventloop_utilization',
    help: 'Share of time the event loop was busy since the last scrape.',
    registers: [registry],
    aggregator: 'average',
    collect() {
      const now = performance.eventLoopUtilization()
      this.set(performance.eventLoopUtilization(now, last).utilization)
      last = now
    },
  })
  return registry
}

/** The registry needs a name and a `get`; its types ask for one of prom-client's classes. */
function asPromMetric(metric: ScrapedMetric): Metric {
  const { name, help, type, samples, aggregator = 'sum' } = metric
  const shaped = {
    name,
    help,
    type,
    get: async () => ({ name, help, type, values: samples(), aggregator }),
    reset: () => {},
  }
  return shaped as unknown as Metric
}
