/** Where the API server of the cluster is, as every pod is told. */
import { existsSync } from 'node:fs'
import type { ApiServer } from '../app/injector.ts'

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/** Undefined outside of a cluster, or without a token. */
export function apiServer(env: NodeJS.ProcessEnv, accountFolder = ACCOUNT): ApiServer | undefined {
  const [host, port] = [env.KUBERNETES_SERVICE_HOST, env.KUBERNETES_SERVICE_PORT]
  if (host === undefined || host === '' || !existsSync(`${accountFolder}/token`)) return undefined
  return { host, port: Number(port ?? 443), accountFolder }
}
