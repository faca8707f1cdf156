/**
 * etcd and a kube-apiserver, the chart installed into them, and the injector as its service says: run in a network namespace
 * of its own, where the address of the webhook's Service is one of this host. Prints one line of JSON with what it saw.
 * Arguments: a folder for files, the address of the namespace.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type RunningInjector, startInjector } from '../../src/app/injector.ts'
import { loadConfig } from '../../src/config/load.ts'
import { silentLogger } from '../../src/core/log.ts'
import { CHART } from './helm.ts'
import { SHAPES } from './shapes.ts'

const [folder, address] = process.argv.slice(2) as [string, string]
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

async function must(answer: Promise<Answer>): Promise<Answer> {
  const { status, body } = await answer
  if (status >= 300) throw new Error(JSON.stringify(body))
  return answer
}

const get = async (path: string): Promise<Record<string, unknown>> => (await must(call('GET', path))).body
const create = (path: string, object: object): Promise<Answer> => must(call('POST', path, object))

function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
  return stdout
}

function helm(...args: string[]): string {
  const server = [
    '--kube-apiserver',
    `https://${address}:6443`,
    '--kube-token',
    ADMIN,
    '--kube-insecure-skip-tls-verify',
  ]
  return run('helm', ...args, '--namespace', 'hopscope', ...server)
}

const OWN = '/api/v1/namespaces/hopscope'
const SECRET = `${OWN}/secrets/hopscope-injector-tls`

/** Where the objects of the chart would be, by kind. */
const COLLECTIONS = [
  ...['configmaps', 'secrets', 'services', 'serviceaccounts'].map((kind) => `${OWN}/${kind}`),
  ...['deployments', 'statefulsets', 'daemonsets'].map((kind) => `/apis/apps/v1/namespaces/hopscope/${kind}`),
  '/apis/autoscaling/v2/namespaces/hopscope/horizontalpodautoscalers',
  '/apis/policy/v1/namespaces/hopscope/poddisruptionbudgets',
  '/apis/networking.k8s.io/v1/namespaces/hopscope/networkpolicies',
  '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
]

/** What is there of the chart, as `collection/name`. */
async function ofTheChart(): Promise<string[]> {
  const selector = '?labelSelector=app.kubernetes.io%2Fmanaged-by%3DHelm'
  const lists = await Promise.all(
    COLLECTIONS.map(async (path) => {
      const items = (await get(path + selector)).items as { metadata: { name: string } }[]
      return items.map(({ metadata }) => `${path.split('/').at(-1)}/${metadata.name}`)
    }),
  )
  return lists.flat()
}

const UPSTREAM = 'http://legacy.default:8080'
const EVERYTHING = [
  ...['injector.timeoutSeconds=7', 'aggregator.replicas=3', 'node.enabled=true', `node.upstream=${UPSTREAM}`],
  ...['gateway.enabled=true', `gateway.upstream=${UPSTREAM}`, 'gateway.autoscaling.concurrency=50'],
  ...['gateway.autoscaling.latencyMs=250'],
]

/** The pods that controllers would make: what the API server, which enforces Pod Security, says of each. */
async function podsOfTheChart(): Promise<Record<string, SeenPod>> {
  const seen: Record<string, SeenPod> = {}
  for (const kind of ['deployments', 'statefulsets', 'daemonsets']) {
    const items = (await get(`/apis/apps/v1/namespaces/hopscope/${kind}`)).items as {
      metadata: { name: string }
      spec: {
        template: { metadata: object; spec: { volumes?: object[] } }
        volumeClaimTemplates?: { metadata: { name: string } }[]
      }
    }[]
    for (const { metadata, spec } of items) {
      const claims = (spec.volumeClaimTemplates ?? []).map(({ metadata: { name } }) => ({
        name,
        persistentVolumeClaim: { claimName: `${name}-${metadata.name}-0` },
      }))
      const pod = {
        metadata: { ...spec.template.metadata, name: metadata.name },
        spec: { ...spec.template.spec, volumes: [...(spec.template.spec.volumes ?? []), ...claims] },
      }
      seen[metadata.name] = await createPod('hopscope', pod)
    }
  }
  return seen
}

/** As the Deployment would: settings, certificate and token out of the cluster, at the address of the Service. */
async function runInjector(): Promise<RunningInjector> {
  const account = join(folder, 'account')
  mkdirSync(account, { recursive: true })
  const asked = await create(`${OWN}/serviceaccounts/hopscope-injector/token`, { spec: {} })
  writeFileSync(join(account, 'token'), (asked.body.status as { token: string }).token)
  writeFileSync(join(account, 'ca.crt'), readFileSync(join(folder, 'apiserver', 'apiserver.crt')))
  const settings = (await get(`${OWN}/configmaps/hopscope-injector`)).data as Record<string, string>
  const secret = (await get(SECRET)).data as Record<string, string>
  for (const [name, text] of Object.entries(settings)) writeFileSync(join(folder, name), text)
  for (const [name, text] of Object.entries(secret)) writeFileSync(join(folder, name), Buffer.from(text, 'base64'))
  const { clusterIP } = (await get(`${OWN}/services/hopscope-injector`)).spec as { clusterIP: string }
  // No kube-proxy sees to it here.
  run('ip', 'addr', 'replace', `${clusterIP}/32`, 'dev', 'lo')
  const config = await loadConfig({
    command: 'injector',
    file: join(folder, 'hopscope.yaml'),
    env: {},
    flags: {
      'injector.listen': `${clusterIP}:443`,
      'injector.tlsCertificate': join(folder, 'tls.crt'),
      'injector.tlsKey': join(folder, 'tls.key'),
      'injector.sidecarConfig': join(folder, 'sidecar.yaml'),
      metrics: '127.0.0.1:0',
    },
  })
  if (!config.ok) throw new Error(JSON.stringify(config.faults))
  const log = { ...silentLogger, level: 'silent' as const }
  return startInjector(config.config, { host: address, port: 6443, accountFolder: account }, log)
}

const node = (name: string, kubeletVersion: string): Promise<Answer> =>
  create('/api/v1/nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: { nodeInfo: { kubeletVersion } },
  })

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
    ['shop', { 'hopscope.io/inject': 'enabled' }],
    ['plain', {}],
    ['hopscope', { 'pod-security.kubernetes.io/enforce': 'restricted' }],
  ] as const) {
    await create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })
  }
  await node('one', 'v1.34.4')
  const notes = helm('install', 'hopscope', CHART)
  const installed = await ofTheChart()
  const certificate = JSON.stringify((await get(SECRET)).data)
  let injector = await runInjector()
  const shop: Record<string, SeenPod> = {}
  for (const [name, { pod, namespace, options }] of Object.entries(SHAPES)) {
    if (namespace === undefined && options === undefined) shop[name] = await createPod('shop', pod)
  }
  const plain: Record<string, SeenPod> = {}
  for (const name of ['deployment', 'opted-in-by-itself', 'opted-in-by-label', 'opted-out']) {
    plain[name] = await createPod('plain', SHAPES[name]!.pod)
  }
  const own = await createPod('hopscope', SHAPES['restricted-app']!.pod)
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
  helm('upgrade', 'hopscope', CHART, '--set', EVERYTHING.join(','))
  const upgraded = await ofTheChart()
  const restricted = await podsOfTheChart()
  const certificateKept = JSON.stringify((await get(SECRET)).data) === certificate
  await node('old', 'v1.28.15')
  injector = await runInjector()
  const mixed = await createPod('shop', SHAPES.deployment!.pod)
  await injector.close()
  helm('uninstall', 'hopscope')
  const left = await ofTheChart()
  const removed = await createPod('shop', SHAPES.deployment!.pod)
  return {
    notes,
    installed,
    upgraded,
    restricted,
    shop,
    plain,
    own,
    events: seenEvents,
    metrics,
    away,
    certificateKept,
    mixed,
    left,
    removed,
  }
}

try {
  console.log(JSON.stringify(await main()))
} finally {
  agent.destroy()
  for (const child of programs.reverse()) child.kill('SIGTERM')
}
