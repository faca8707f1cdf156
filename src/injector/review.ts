/** AdmissionReview v1: the request as it comes, the answer as it goes. Pure. */
import { type Admission, decide, type SkipReason } from './decision.ts'
import type { InjectionOptions } from './options.ts'
import { injectionPatch, type PatchOperation } from './patch.ts'
import { type OwnerReference, type Pod, readPod } from './pod.ts'
import { controller } from './workload.ts'

/** What became of a review, for metrics, log and Event. */
export interface Outcome {
  readonly result: 'injected' | 'skipped' | 'denied'
  readonly reason: SkipReason | ''
  /** For people; '' where nothing surprises. */
  readonly message: string
  readonly namespace: string
  /** Name of the pod, or what its name will begin with. */
  readonly name: string
  readonly owner: OwnerReference | undefined
  readonly dryRun: boolean
}

export interface Reviewed {
  /** The AdmissionReview to answer with. */
  readonly answer: object
  readonly outcome: Outcome
}

/** A review that cannot be answered as one; `message` says why. */
export class BadReview extends Error {}

interface ReviewRequest {
  readonly uid: string
  readonly namespace: string
  readonly dryRun: boolean
  readonly pod: Pod | undefined
}

/** Throws {@link BadReview}. `asked`: whether the pod's namespace asks for injection. */
export function review(body: unknown, asked: boolean, options: InjectionOptions): Reviewed {
  const request = readRequest(body)
  if (request.pod === undefined) throw new BadReview('the object of the review is not a pod')
  const admission: Admission = { pod: request.pod, namespace: request.namespace, asked }
  const decision = decide(admission, options)
  const about = aboutPod(request, request.pod)
  if (decision.inject) {
    const patch = injectionPatch(request.pod, decision, options)
    const outcome: Outcome = { result: 'injected', reason: '', message: '', ...about }
    return { answer: patched(request.uid, patch), outcome }
  }
  const { reason, message, denied } = decision
  const outcome: Outcome = { result: denied ? 'denied' : 'skipped', reason, message, ...about }
  return { answer: denied ? refused(request.uid, message) : admitted(request.uid, message), outcome }
}

function aboutPod(
  { namespace, dryRun }: ReviewRequest,
  { metadata }: Pod,
): Pick<Outcome, 'namespace' | 'name' | 'owner' | 'dryRun'> {
  const name = metadata.name ?? metadata.generateName ?? ''
  return { namespace, dryRun, name, owner: controller(metadata.ownerReferences) }
}

function readRequest(body: unknown): ReviewRequest {
  const { apiVersion, kind, request } = (body ?? {}) as Record<string, unknown>
  if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview') {
    throw new BadReview('not an AdmissionReview of admission.k8s.io/v1')
  }
  const { uid, namespace, dryRun, object, resource } = (request ?? {}) as Record<string, unknown>
  if (typeof uid !== 'string' || uid === '') throw new BadReview('the review has no uid')
  if ((resource as { resource?: unknown } | undefined)?.resource !== 'pods') {
    throw new BadReview('the review is not of pods')
  }
  return {
    uid,
    namespace: typeof namespace === 'string' ? namespace : '',
    dryRun: dryRun === true,
    pod: readPod(object),
  }
}

const reviewOf = (response: object): object => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  response,
})

function patched(uid: string, patch: readonly PatchOperation[]): object {
  const encoded = Buffer.from(JSON.stringify(patch)).toString('base64')
  return reviewOf({ uid, allowed: true, patchType: 'JSONPatch', patch: encoded })
}

/** kubectl shows warnings; the API server cuts them at 256 characters when there are many. */
function admitted(uid: string, warning: string): object {
  return reviewOf({ uid, allowed: true, ...(warning !== '' && { warnings: [warning] }) })
}

function refused(uid: string, message: string): object {
  return reviewOf({ uid, allowed: false, status: { code: 400, reason: 'BadRequest', message } })
}
