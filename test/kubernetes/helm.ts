/** Helm, where it is installed. */
import { spawnSync } from 'node:child_process'
import { parseAllDocuments } from 'yaml'

export const CHART = 'charts/hopscope'

/** The value of a test's `skip`. */
export const noHelm: string | false =
  spawnSync('helm', ['version']).status === 0
    ? false
    : 'helm is not installed (go install helm.sh/helm/v3/cmd/helm@latest)'

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

export interface Rendered {
  readonly status: number
  readonly stderr: string
  readonly objects: readonly Manifest[]
}

const rendered = new Map<string, Rendered>()

/**
 * `helm template` with values as `--set` takes them, or as JSON (`name={"…"}`); the same values are rendered once. `name`: of
 * the release and its namespace.
 */
export function template(values: readonly string[], kubeVersion = '1.31.0', name = 'hopscope'): Rendered {
  const key = JSON.stringify([values, kubeVersion, name])
  const known = rendered.get(key) ?? render(values, kubeVersion, name)
  rendered.set(key, known)
  return known
}

function render(values: readonly string[], kubeVersion: string, name: string): Rendered {
  const set = values.flatMap((value) => [value.includes('={"') ? '--set-json' : '--set', value])
  const args = ['template', name, CHART, '--namespace', name, '--kube-version', kubeVersion, ...set]
  const { status, stdout, stderr } = spawnSync('helm', args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  // As Kubernetes reads it: `on` is true, 0440 is octal.
  const documents = status === 0 ? parseAllDocuments(stdout, { version: '1.1' }) : []
  const objects = documents.map((one) => (one as { toJS(): Manifest | null }).toJS()).filter((one) => one !== null)
  return { status: status ?? -1, stderr, objects }
}

/** The object of a kind whose name ends so; throws where there is none. */
export function find({ objects }: Rendered, kind: string, ending = ''): Manifest {
  const found = objects.find((one) => one.kind === kind && one.metadata.name.endsWith(ending))
  if (found === undefined) throw new Error(`no ${kind} …${ending}`)
  return found
}
