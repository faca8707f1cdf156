/** What the injector knows beside the pod. */

export interface InjectionOptions {
  readonly image: string
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never'
  /** Namespaces that are left alone, the injector's own among them. */
  readonly excludedNamespaces: readonly string[]
  readonly onBadAnnotation: 'admit' | 'deny'
  /** Whether every kubelet knows init containers with restartPolicy Always. */
  readonly nativeSidecars: boolean
  /** OTLP endpoint, undefined for none. */
  readonly aggregator?: string | undefined
  /** Text of settings of the sidecar by path. */
  readonly sidecarSettings: ReadonlyMap<string, string>
  readonly cpuRequest: string
  readonly cpuLimit?: string | undefined
  readonly memoryRequest: string
  readonly memoryLimit: string
  readonly metricsPort: number
  readonly kubeletPort: number
}

export const PROXY_UID = 1337
export const PROXY_PORT = 15001
export const PROXY_NAME = 'hopscope-proxy'
export const INIT_NAME = 'hopscope-init'
/** Where the image has the program. */
export const PROGRAM = ['node', '/opt/hopscope/dist/cli/main.js']
export const RULES_PROGRAM = ['/opt/hopscope/iptables/init.sh', 'apply']
