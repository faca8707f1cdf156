/** The page has types of its own for what it reads; they are held against the API's at compile time, and once here. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AssembledTrace } from '../../src/aggregator/assembly/hop.ts'
import type { TraceDiagnosis } from '../../src/aggregator/diagnosis/diagnosis.ts'
import type { WatchState } from '../../src/aggregator/diagnosis/watch.ts'
import type { TraceSummary } from '../../src/aggregator/query/search.ts'
import type { LiveTrace } from '../../src/aggregator/store/protocol.ts'
import type { SpanRow } from '../../src/aggregator/store/span-row.ts'
import type * as causes from '../../src/aggregator/ui/browser/api-diagnosis.ts'
import type * as page from '../../src/aggregator/ui/browser/api-types.ts'

/** As JSON carries it. */
type Sent<T> = { readonly [K in keyof T]: T[K] extends bigint ? string : T[K] }

type Reads<Read, Answered> = Answered extends Read ? true : false

test('types agree', () => {
  const trace: Reads<page.Trace, AssembledTrace> = true
  const summary: Reads<page.TraceSummary, TraceSummary> = true
  const live: Reads<page.LiveTrace, LiveTrace> = true
  const span: Reads<page.SpanLine, Sent<SpanRow>> = true
  const diagnosis: Reads<causes.TraceDiagnosis, TraceDiagnosis> = true
  const watching: Reads<causes.Watching, WatchState> = true
  const all = [trace, summary, live, span, diagnosis, watching]
  assert.ok(all.every((one) => one))
})
