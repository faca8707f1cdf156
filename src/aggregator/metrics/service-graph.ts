/** The service graph under the names of OpenTelemetry's servicegraph connector, which Grafana's panel reads. */
import type { Names } from '../intake/names.ts'
import { isMeasure } from '../measure.ts'
import type { Edge, PairingCounters } from '../store/pairing.ts'
import { bucketOf, type Histogram, histogramLines, labelText } from './exposition.ts'

/** Default buckets of the connector, seconds. */
const BOUNDS_S = [0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1, 1.4, 2, 5, 10, 15]
const MAX_EDGES = 4096

interface Cell {
  readonly labels: string
  total: number
  failed: number
  readonly client: Histogram
  readonly server: Histogram
}

const histogram = (): Histogram => ({ counts: new Float64Array(BOUNDS_S.length + 1), sum: 0 })

export class ServiceGraph {
  readonly #names: Names
  readonly #cells = new Map<number, Cell>()
  #dropped = 0

  constructor(names: Names) {
    this.#names = names
  }

  add(edge: Edge): void {
    const cell = this.#cell(edge)
    if (cell === undefined) return
    const { weight } = edge
    cell.total += weight
    if (edge.failed) cell.failed += weight
    observe(cell.client, edge.clientUs, weight)
    observe(cell.server, edge.serverUs, weight)
  }

  text(pairing: PairingCounters): string {
    let requests = '# TYPE traces_service_graph_request counter\n'
    let failed = '# TYPE traces_service_graph_request_failed counter\n'
    let server = '# TYPE traces_service_graph_request_server_seconds histogram\n'
    let client = '# TYPE traces_service_graph_request_client_seconds histogram\n'
    for (const cell of this.#cells.values()) {
      requests += `traces_service_graph_request_total{${cell.labels}} ${Math.round(cell.total)}\n`
      failed += `traces_service_graph_request_failed_total{${cell.labels}} ${Math.round(cell.failed)}\n`
      server += histogramLines('traces_service_graph_request_server_seconds', cell.labels, BOUNDS_S, cell.server)
      client += histogramLines('traces_service_graph_request_client_seconds', cell.labels, BOUNDS_S, cell.client)
    }
    const counters =
      '# TYPE traces_service_graph_unpaired_spans counter\n' +
      `traces_service_graph_unpaired_spans_total ${pairing.unpaired}\n` +
      '# TYPE traces_service_graph_dropped_spans counter\n' +
      `traces_service_graph_dropped_spans_total ${pairing.dropped + this.#dropped}\n`
    return requests + failed + server + client + counters
  }

  #cell({ client, server, relation }: Edge): Cell | undefined {
    const key = (client * 262_144 + server) * 4 + relation
    const known = this.#cells.get(key)
    if (known !== undefined) return known
    if (this.#cells.size >= MAX_EDGES) {
      this.#dropped++
      return undefined
    }
    const names = this.#names
    const labels = labelText([
      ['client', relation === 1 ? 'user' : names.text(client)],
      ['server', names.text(server)],
      ['connection_type', relation === 0 ? '' : 'virtual_node'],
    ])
    const cell = { labels, total: 0, failed: 0, client: histogram(), server: histogram() }
    this.#cells.set(key, cell)
    return cell
  }
}

/** -1 where that end was not seen. */
function observe(histogram: Histogram, durationUs: number, weight: number): void {
  if (durationUs < 0 || !isMeasure(durationUs)) return
  const seconds = durationUs / 1e6
  histogram.counts[bucketOf(BOUNDS_S, seconds)]! += weight
  histogram.sum += seconds * weight
}
