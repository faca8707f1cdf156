/**
 * etcd and a kube-apiserver, the chart installed into them, and the injector as its service says: run in a network namespace
 * of its own, where the address of the webhook's Service is one of this host. Prints one line of JSON with what it saw.
 * Arguments: a folder for files, the address of the namespace.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type RunningInjector, startInjector } from '../../src/app/injector.ts'
import { loadConfig } from '../../src/config/load.ts'
import { silentLogger } from '../../src/core/log.ts'
import { find, type Manifest, template } from './helm.ts'
import { SHAPES } from './shapes.ts'

const [folder, address] = process.argv.slice(2) as [string, string]
const SERVICE_IP = '10.96.0.50'
const ADMIN = 'the-token-of-the-test'
const programs: ChildProcess[] = []

function start(program: string, args: readonly string[]): void {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  child.stderr.pipe(createWriteStream(join(folder, `${program}.log`)))
  programs.push(child)
}

function startCluster(): void {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const files = { key: join(folder, 'sa.key'), pub: join(folder, 'sa.pub'), tokens: join(folder, 'tokens') }
  writeFileSync(files.key, privateKey.export({ type: 'pkcs1', format: 'pem' }))
  writeFileSync(files.pub, publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(files.tokens, `${ADMIN},admin,1,"system:masters"\n`)
  start('etcd', ['--data-dir', join(folder, 'etcd'), '--listen-peer-urls', 'http://127.0.0.1:2380'])
  start('kube-apiserver', [
    '--etcd-servers=http://127.0.0.1:2379',
    `--cert-dir=${join(folder, 'apiserver')}`,
    `--advertise-address=${address}`,
    `--bind-address=${address}`,
    '--endpoint-reconciler-type=none',
    '--service-cluster-ip-range=10.96.0.0/24',
    '--authorization-mode=RBAC',
    `--token-auth-file=${files.tokens}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-signing-key-file=${files.key}`,
    `--service-account-key-file=${files.pub}`,
    // Nothing makes the default service accounts here.
    '--disable-admission-plugins=ServiceAccount',
  ])
}

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly warnings: readonly string[]
}

const agent = new Agent({ keepAlive: true, rejectUnauthorized: false })

function call(method: string, path: string, body?: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' }
    const sent = request({ host: address, port: 6443, method, path, headers, agent }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const warnings = [response.headers.warning ?? []].flat()
        const parsed = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : { text }
        resolve({ status: response.statusCode ?? 0, body: parsed, warnings })
      })
    })
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

async function ready(): Promise<void> {
  const until = Date.now() + 60_000
  for (;;) {
    const answer = await call('GET', '/readyz').catch(() => undefined)
    if (answer?.status === 200) return
    if (Date.now() > until) throw new Error('the API server is not ready')
    await pause(200)
  }
}

const plural = (kind: string): string => {
  const lower = kind.toLowerCase()
  return lower.endsWith('y') ? `${lower.slice(0, -1)}ies` : `${lower}s`
}

function collection({ apiVersion, kind }: Manifest, namespace: string | undefined): string {
  const base = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`
  return `${base}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${plural(kind)}`
}

async function must(answer: Promise<Answer>): Promise<Answer> {
  const { status, body } = await answer
  if (status >= 300) throw new Error(JSON.stringify(body))
  return answer
}

const create = (object: Manifest): Promise<Answer> =>
  must(call('POST', collection(object, object.metadata.namespace), object))

/** Everything that the chart says, but pods that nothing would run, and hooks. */
async function installChart(): Promise<readonly Manifest[]> {
  const rendered = template([])
  const hooked = ({ metadata }: Manifest): boolean => metadata.annotations?.['helm.sh/hook'] !== undefined
  // The webhook last, as helm does.
  const isWebhook = ({ kind }: Manifest): number => Number(kind === 'MutatingWebhookConfiguration')
  const objects = rendered.objects.filter((one) => !hooked(one)).sort((a, b) => isWebhook(a) - isWebhook(b))
  for (const object of objects) {
    const injector = object.kind === 'Service' && object.metadata.name.endsWith('-injector')
    await create(injector ? { ...object, spec: { ...(object.spec as object), clusterIP: SERVICE_IP } } : object)
  }
  return objects
}

async function runInjector(objects: readonly Manifest[]): Promise<RunningInjector> {
  const rendered = { status: 0, stderr: '', objects }
  const account = join(folder, 'account')
  mkdirSync(account)
  const asked = call('POST', '/api/v1/namespaces/hopscope/serviceaccounts/hopscope-injector/token', { spec: {} })
  const { token } = (await must(asked)).body.status as { token: string }
  writeFileSync(join(account, 'token'), token)
  writeFileSync(join(account, 'ca.crt'), readFileSync(join(folder, 'apiserver', 'apiserver.crt')))
  const settings = find(rendered, 'ConfigMap', '-injector').data as Record<string, string>
  const secret = find(rendered, 'Secret', '-injector-tls').data as Record<string, string>
  for (const [name, text] of Object.entries(settings)) writeFileSync(join(folder, name), text)
  for (const [name, text] of Object.entries(secret)) writeFileSync(join(folder, name), Buffer.from(text, 'base64'))
  const config = await loadConfig({
    command: 'injector',
    file: join(folder, 'hopscope.yaml'),
    env: {},
    flags: {
      'injector.listen': `${SERVICE_IP}:443`,
      'injector.tlsCertificate': join(folder, 'tls.crt'),
      'injector.tlsKey': join(folder, 'tls.key'),
      'injector.sidecarConfig': join(folder, 'sidecar.yaml'),
      metrics: '127.0.0.1:0',
    },
  })
  if (!config.ok) throw new Error(JSON.stringify(config.faults))
  const log = {
    ...silentLogger,
    level: 'silent' as const,
    warn: (fields: object, text: string) => told.push([text, fields]),
  }
  return startInjector(config.config, { host: address, port: 6443, accountFolder: account }, log)
}

const told: unknown[] = []

interface SeenPod {
  readonly status: number
  readonly message: unknown
  readonly warnings: readonly string[]
  readonly init: readonly string[]
  readonly containers: readonly string[]
  readonly native: boolean
}

async function createPod(namespace: string, pod: { metadata: object; spec: object }): Promise<SeenPod> {
  const named = 'generateName' in pod.metadata || 'name' in pod.metadata ? {} : { generateName: 'pod-' }
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { ...pod.metadata, ...named }, spec: pod.spec }
  const { status, body, warnings } = await call('POST', `/api/v1/namespaces/${namespace}/pods`, object)
  const spec = (body.spec ?? {}) as Record<string, { name: string; restartPolicy?: string }[] | undefined>
  const names = (list: string): string[] => (spec[list] ?? []).map(({ name }) => name)
  const native = (spec.initContainers ?? []).some(
    ({ name, restartPolicy }) => name === 'hopscope-proxy' && restartPolicy === 'Always',
  )
  return {
    status,
    message: body.message,
    warnings,
    init: names('initContainers'),
    containers: names('containers'),
    native,
  }
}

async function events(): Promise<unknown[]> {
  const until = Date.now() + 5000
  for (;;) {
    const { body } = await call('GET', '/api/v1/namespaces/shop/events')
    const items = body.items as unknown[]
    if (items.length > 0 || Date.now() > until) return items
    await pause(50)
  }
}

async function main(): Promise<object> {
  startCluster()
  await ready()
  for (const [name, labels] of [
    ['hopscope', {}],
    ['shop', { 'hopscope.io/inject': 'enabled' }],
    ['plain', {}],
  ] as const) {
    await create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })
  }
  const nodeInfo = { kubeletVersion: 'v1.34.4' }
  await create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'one' }, status: { nodeInfo } })
  const objects = await installChart()
  const injector = await runInjector(objects)
  const shop: Record<string, SeenPod> = {}
  for (const [name, { pod, namespace, options }] of Object.entries(SHAPES)) {
    if (namespace === undefined && options === undefined) shop[name] = await createPod('shop', pod)
  }
  const plain: Record<string, SeenPod> = {}
  for (const name of ['deployment', 'opted-in-by-itself', 'opted-in-by-label', 'opted-out']) {
    plain[name] = await createPod('plain', SHAPES[name]!.pod)
  }
  const own = await createPod('hopscope', SHAPES.deployment!.pod)
  const seenEvents = await events()
  const metrics = await (await fetch(`http://${injector.addresses.metrics}/metrics`)).text()
  await injector.close()
  const away = {
    asking: await createPod('shop', SHAPES.deployment!.pod),
    'asking-by-itself': await createPod('plain', SHAPES['opted-in-by-itself']!.pod),
    'not-asking': await createPod('plain', SHAPES.deployment!.pod),
    'opting-out-by-label': await createPod('shop', {
      metadata: { name: 'out', labels: { 'hopscope.io/inject': 'disabled' } },
      spec: SHAPES.deployment!.pod.spec,
    }),
  }
  return { installed: objects.map(({ kind }) => kind), shop, plain, own, events: seenEvents, metrics, away, told }
}

try {
  console.log(JSON.stringify(await main()))
} finally {
  agent.destroy()
  for (const child of programs.reverse()) child.kill('SIGTERM')
}
