/** Real proxies in this process that send their spans to a real aggregator. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { TraceDiagnosis } from '../../src/aggregator/diagnosis/diagnosis.ts'
import type { Incident } from '../../src/aggregator/diagnosis/incidents.ts'
import type { WatchState } from '../../src/aggregator/diagnosis/watch.ts'
import { startProxy } from '../../src/app/proxy.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Stage } from '../../src/exchange/stage.ts'
import { type RunningAggregator, running, until } from '../aggregator/running.ts'

interface Otlp {
  readonly result: {
    readonly resourceSpans: readonly {
      readonly scopeSpans: readonly {
        readonly spans: readonly { readonly attributes: readonly { key: string; value: Record<string, unknown> }[] }[]
      }[]
    }[]
  }
}

/** Attributes by name; numbers as numbers. */
function flat({ result }: Otlp): Record<string, unknown>[] {
  const spans = result.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
  return spans.map(({ attributes }) =>
    Object.fromEntries(
      attributes.map(({ key, value }) => [key, 'intValue' in value ? Number(value.intValue) : Object.values(value)[0]]),
    ),
  )
}

export class Range {
  readonly aggregator: RunningAggregator
  readonly #t: TestContext

  private constructor(t: TestContext, aggregator: RunningAggregator) {
    this.#t = t
    this.aggregator = aggregator
  }

  static async start(t: TestContext, epochMs = 700): Promise<Range> {
    const aggregator = await running({ epochMs })
    t.after(() => aggregator.end())
    return new Range(t, aggregator)
  }

  get otlp(): string {
    return `http://127.0.0.1:${this.aggregator.grpcPort}`
  }

  /** A proxy before `upstream`; the port that it listens on. */
  async hop(
    service: string,
    upstream: string,
    settings: Readonly<Record<string, string>> = {},
    stages: readonly Stage[] = [],
  ): Promise<number> {
    const flags = {
      ...{ 'upstream.url': upstream, listen: '127.0.0.1:0', 'otlp.endpoint': this.otlp, 'otlp.scheduleMs': '20' },
      ...{ accessLog: 'off', 'log.level': 'silent', 'service.name': service, ...settings },
    }
    const loaded = await loadConfig({ command: 'proxy', env: {}, flags })
    if (!loaded.ok) assert.fail(JSON.stringify(loaded.faults))
    const proxy = await startProxy({ command: 'proxy', config: loaded.config, userStages: stages })
    this.#t.after(() => proxy.close(0))
    return proxy.address.port
  }

  watching(): Promise<WatchState> {
    return this.aggregator.ask<WatchState>('hopscope/incidents')
  }

  /** The first incident of which `wanted` holds. */
  async incident(what: string, wanted: (one: Incident) => boolean, deadlineMs = 9000): Promise<Incident> {
    let found: Incident | undefined
    const look = async (): Promise<boolean> => {
      found = (await this.watching()).incidents.find(wanted)
      return found !== undefined
    }
    try {
      await until(what, look, deadlineMs)
    } catch (error) {
      const { state, incidents } = await this.watching()
      throw new Error(`${(error as Error).message}; ${state} ${JSON.stringify(incidents)}`)
    }
    return found!
  }

  /** What is said of the first trace of `service` that is not healthy. */
  async diagnosis(service: string, more = ''): Promise<TraceDiagnosis> {
    let found: TraceDiagnosis | undefined
    await until(`a trace of ${service}`, async () => {
      const { traces } = await this.aggregator.ask<{ traces: readonly { traceId: string }[] }>(
        `hopscope/search?service=${service}&limit=5&lastMs=60000${more}`,
      )
      const [first] = traces
      if (first === undefined) return false
      const { diagnosis } = await this.aggregator.ask<{ diagnosis: TraceDiagnosis }>(`hopscope/trace/${first.traceId}`)
      found = diagnosis
      return !diagnosis.note.includes('still coming')
    })
    return found!
  }

  /** Attributes of the first `count` spans of `service`. */
  async spans(service: string, count: number): Promise<Record<string, unknown>[]> {
    const found: Record<string, unknown>[] = []
    await until(`${count} spans of ${service}`, async () => {
      found.length = 0
      const { traces } = await this.aggregator.ask<{ traces: readonly { traceId: string }[] }>(
        `hopscope/search?service=${service}&limit=50&lastMs=60000`,
      )
      for (const { traceId } of traces) {
        found.push(...flat(await this.aggregator.ask<Otlp>(`v3/traces/${traceId}`)))
      }
      return found.length >= count
    })
    return found
  }
}
