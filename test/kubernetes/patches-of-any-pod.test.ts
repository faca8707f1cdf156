/** Property: whatever a pod is made of, its patch applies, fits Kubernetes' schemas, keeps all that is the pod's own, and is made once. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { InjectionOptions } from '../../src/injector/options.ts'
import { review } from '../../src/injector/review.ts'
import { faultsOf, VERSIONS } from './openapi-schemas.ts'
import { answerOf, applyPatch, OPTIONS, patchOf, reviewOf } from './support.ts'

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined })
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/)
const seldom = <T>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 20, arbitrary: usual }, { weight: 1, arbitrary: other })
const port = seldom(fc.constantFrom(80, 443, 8080, 65535), fc.constantFrom(15001, 15021))
const user = seldom(fc.constantFrom(0, 1000), fc.constant(1337))
const portOrName = fc.oneof(port, fc.constantFrom('http', 'web', '80', 'none'))
const probe = fc.oneof(
  fc.record({ tcpSocket: fc.record({ port: portOrName }), periodSeconds: fc.nat(60) }),
  fc.record({ httpGet: fc.record({ port: portOrName, path: fc.webPath() }, { requiredKeys: ['port'] }) }),
  fc.record({ grpc: fc.record({ port, service: fc.string() }) }),
  fc.record({ exec: fc.record({ command: fc.array(fc.string()) }) }),
)
const container = fc.record(
  {
    name,
    image: name,
    ports: fc.array(fc.record({ name: fc.constantFrom('http', 'web'), containerPort: port }), { maxLength: 2 }),
    readinessProbe: probe,
    livenessProbe: probe,
    startupProbe: probe,
    securityContext: fc.record({ runAsUser: user }),
  },
  { requiredKeys: ['name', 'image'] },
)
const containers = (minLength: number): fc.Arbitrary<{ name: string }[]> =>
  fc.uniqueArray(container, { minLength, maxLength: 4, selector: (one) => one.name })
const value: Readonly<Record<string, string>> = {
  ports: '80,443',
  sample: '0.5',
  idempotency: 'honour',
  concurrency: '2',
  image: 'hopscope:2',
  'native-sidecar': 'true',
  'service-name': '$(HOME)',
}
const entry = seldom(
  fc.constantFrom(...Object.entries(value)).map(([short, good]) => [`hopscope.io/${short}`, good] as const),
  fc.tuple(fc.constantFrom('hopscope.io/ports', 'hopscope.io/image', 'hopscope.io/other'), fc.string()),
)
const foreign = fc.tuple(fc.constantFrom('a~b/c', 'prometheus.io/scrape'), fc.string())
const annotations = fc.array(fc.oneof(entry, foreign), { maxLength: 3 }).map((all) => Object.fromEntries(all))
const pod = fc.record({
  metadata: fc.record(
    {
      name,
      labels: fc.dictionary(fc.constantFrom('app', 'hopscope.io/inject', 'x/y~z'), fc.constantFrom('enabled', 'shop')),
      annotations,
    },
    { requiredKeys: [] },
  ),
  spec: fc.record(
    {
      containers: containers(1),
      initContainers: containers(0),
      hostNetwork: seldom(fc.constant(false), fc.constant(true)),
      restartPolicy: fc.constantFrom('Always', 'Never'),
      securityContext: fc.record({ runAsUser: user }),
    },
    { requiredKeys: ['containers'] },
  ),
})

type Any = { metadata: Record<string, unknown>; spec: { containers: Named[]; initContainers?: Named[] } }
type Named = { name: string; [field: string]: unknown }

/** What a container is beside its probes. */
const bare = (list: readonly Named[] | undefined): unknown[] =>
  (list ?? [])
    .filter((one) => !one.name.startsWith('hopscope-'))
    .map(({ readinessProbe: _r, livenessProbe: _l, startupProbe: _s, ...rest }) => rest)

test('patches of any pod', () => {
  let injected = 0
  fc.assert(
    fc.property(pod, fc.boolean(), optional(fc.constantFrom('deny' as const)), (generated, native, deny) => {
      const original = JSON.parse(JSON.stringify(generated)) as Any
      const options: InjectionOptions = { ...OPTIONS, nativeSidecars: native, onBadAnnotation: deny ?? 'admit' }
      const { answer, outcome } = review(reviewOf(original), true, options)
      const result = applyPatch(original, patchOf(answerOf(answer)))
      if (outcome.result !== 'injected') return assert.deepEqual(result, original)
      injected++
      assert.deepEqual(bare(result.spec.containers), bare(original.spec.containers))
      assert.deepEqual(bare(result.spec.initContainers), bare(original.spec.initContainers))
      assert.deepEqual(faultsOf({ apiVersion: 'v1', kind: 'Pod', ...result }, VERSIONS.at(-1)!), [])
      assert.equal(review(reviewOf(result), true, options).outcome.reason, 'already-injected')
      return undefined
    }),
    { numRuns: 200 },
  )
  assert.ok(injected > 20, `${injected} of 200 were injected`)
})
