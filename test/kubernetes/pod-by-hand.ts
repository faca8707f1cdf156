/** Does in a network namespace what a kubelet does with the containers of a patch: environment, command, user, capabilities. */
import { fileURLToPath } from 'node:url'
import type { Namespace, Running } from '../interception/netns.ts'

interface Variable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } }
}

export type HookName = 'postStart' | 'preStop'

export interface RunContainer {
  readonly name: string
  readonly command: readonly string[]
  readonly env: readonly Variable[]
  readonly securityContext: {
    readonly runAsUser: number
    readonly runAsGroup: number
    readonly capabilities: { readonly add?: readonly string[] }
  }
  readonly startupProbe?: { readonly httpGet: { readonly path: string; readonly port: number } }
  readonly lifecycle?: Readonly<Record<HookName, { readonly exec: { readonly command: readonly string[] } }>>
}

/** What the downward API says of the pod. */
export type Fields = Readonly<Record<string, string>>

/** Kubernetes' expansion: `$(NAME)` of a variable that stands before, `$$` is a dollar sign. */
export function environment(env: readonly Variable[], fields: Fields): Record<string, string> {
  const known: Record<string, string> = {}
  for (const { name, value, valueFrom } of env) {
    const text = value ?? fields[valueFrom?.fieldRef.fieldPath ?? ''] ?? ''
    known[name] = text.replace(/\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (whole, variable?: string) =>
      variable === undefined ? '$' : (known[variable] ?? whole),
    )
  }
  return known
}

const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url))

/** The image has the program under /opt/hopscope; here it is this checkout. */
export function localCommand(command: readonly string[]): string[] {
  return command.map((word) => {
    if (word === 'node') return process.execPath
    if (!word.startsWith('/opt/hopscope/')) return word
    return word.replace('/opt/hopscope/dist/', `${CHECKOUT}build/src/`).replace('/opt/hopscope/', CHECKOUT)
  })
}

/** User, group, and no capability but those that the container adds, nor a way to more. */
function restricted({ securityContext }: RunContainer): string[] {
  const { runAsUser, runAsGroup, capabilities } = securityContext
  const caps = ['-all', ...(capabilities.add ?? []).map((name) => `+${name.toLowerCase()}`)].join(',')
  const user = [`--reuid=${runAsUser}`, `--regid=${runAsGroup}`, '--clear-groups']
  return ['setpriv', ...user, `--bounding-set=${caps}`, `--inh-caps=${caps}`, '--no-new-privs', '--']
}

const prefixed = (container: RunContainer, command: readonly string[]): string[] => [
  ...restricted(container),
  ...localCommand(command),
]

export function runToEnd(pod: Namespace, container: RunContainer, fields: Fields): { status: number; said: string } {
  const env = environment(container.env, fields)
  const { status, stdout, stderr } = pod.exec(prefixed(container, container.command), { env })
  return { status, said: stdout + stderr }
}

export function startContainer(pod: Namespace, container: RunContainer, fields: Fields): Running {
  return pod.start(prefixed(container, container.command), { env: environment(container.env, fields) })
}

/** The hook, with user and environment of its container. */
export function startHook(pod: Namespace, container: RunContainer, hook: HookName, fields: Fields): Running {
  return startContainer(pod, { ...container, command: container.lifecycle![hook].exec.command }, fields)
}

export function preStop(pod: Namespace, container: RunContainer, fields: Fields): { status: number; said: string } {
  return runToEnd(pod, { ...container, command: container.lifecycle!.preStop.exec.command }, fields)
}
