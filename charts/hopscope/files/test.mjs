// What `helm test` runs: a pod is reviewed, and a span that is sent is found again.
const { INJECTOR, AGGREGATOR } = process.env
const until = Date.now() + 60_000
async function soon(what, attempt) {
  for (;;) {
    try {
      await attempt()
      return console.log(`ok: ${what}`)
    } catch (error) {
      if (Date.now() > until) throw new Error(`${what}: ${error.cause ?? error}`)
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
  }
}
const expect = (holds, text) => {
  if (!holds) throw new Error(text)
}
if (INJECTOR !== undefined) {
  const object = { metadata: { name: 'test' }, spec: { containers: [{ name: 'app', image: 'app' }] } }
  const request = {
    uid: '1',
    namespace: 'helm-test',
    dryRun: true,
    resource: { group: '', version: 'v1', resource: 'pods' },
    object,
  }
  const body = JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request })
  await soon('the injector gives a pod its sidecar', async () => {
    const answer = await fetch(`${INJECTOR}/inject/namespace`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    const { response } = await answer.json()
    expect(Buffer.from(response.patch, 'base64').includes('hopscope-proxy'), 'no patch')
  })
}
if (AGGREGATOR !== undefined) {
  const traceId = [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
  const now = `${Date.now()}000000`
  const span = {
    traceId,
    spanId: traceId.slice(16),
    name: 'helm test',
    kind: 2,
    startTimeUnixNano: now,
    endTimeUnixNano: now,
  }
  const attributes = [{ key: 'service.name', value: { stringValue: 'helm-test' } }]
  const body = JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans: [span] }] }] })
  await soon('the aggregator takes a span', async () => {
    const { status } = await fetch(`${AGGREGATOR}:4318/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    expect(status === 200, `status ${status}`)
  })
  await soon('the aggregator shows its trace', async () => {
    const { status } = await fetch(`${AGGREGATOR}:16686/api/traces/${traceId}`)
    expect(status === 200, `status ${status}`)
  })
}
