/** What tests of the injection have in common: options, reviews, and a JSON patch applied. */
import type { InjectionOptions } from '../../src/injector/options.ts'
import type { PatchOperation } from '../../src/injector/patch.ts'

export const OPTIONS: InjectionOptions = {
  image: 'hopscope:0.1.0',
  imagePullPolicy: 'IfNotPresent',
  excludedNamespaces: ['kube-system', 'hopscope'],
  onBadAnnotation: 'admit',
  nativeSidecars: true,
  aggregator: 'http://hopscope-aggregator.hopscope:4317',
  sidecarSettings: new Map(),
  cpuRequest: '10m',
  memoryRequest: '64Mi',
  memoryLimit: '256Mi',
  metricsPort: 15090,
  kubeletPort: 15021,
}

/** An AdmissionReview as the API server sends it. */
export function reviewOf(pod: unknown, { namespace = 'shop', uid = '1', dryRun = false } = {}): object {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid,
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      namespace,
      operation: 'CREATE',
      dryRun,
      object: pod,
    },
  }
}

export interface Answer {
  readonly uid: string
  readonly allowed: boolean
  readonly patchType?: string
  readonly patch?: string
  readonly warnings?: readonly string[]
  readonly status?: { readonly message: string }
}

export const answerOf = (answer: object): Answer => (answer as { response: Answer }).response

export function patchOf({ patch }: Answer): PatchOperation[] {
  return patch === undefined ? [] : JSON.parse(Buffer.from(patch, 'base64').toString('utf8'))
}

type Tree = Record<string, unknown> | unknown[]

/** RFC 6902 as far as our patches go, strict: parents must be there, and so must what is replaced. */
export function applyPatch<T>(document: T, operations: readonly PatchOperation[]): T {
  const result = structuredClone(document)
  for (const { op, path, value } of operations) {
    const tokens = path
      .split('/')
      .slice(1)
      .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = tokens.pop()!
    let at = result as Tree
    for (const token of tokens) {
      const next = (at as Record<string, unknown>)[token]
      if (typeof next !== 'object' || next === null) throw new Error(`${op} ${path}: ${token} is not there`)
      at = next as Tree
    }
    const copy = structuredClone(value)
    if (!Array.isArray(at)) {
      if (op === 'replace' && !Object.hasOwn(at, last)) throw new Error(`replace ${path}: nothing is there`)
      at[last] = copy
    } else if (op === 'replace') {
      if (!(Number(last) in at)) throw new Error(`replace ${path}: nothing is there`)
      at[Number(last)] = copy
    } else {
      const index = last === '-' ? at.length : Number(last)
      if (!(index >= 0 && index <= at.length)) throw new Error(`add ${path}: beyond the end`)
      at.splice(index, 0, copy)
    }
  }
  return result
}
