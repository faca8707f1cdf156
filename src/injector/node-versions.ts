/** Whether every node of the cluster knows native sidecars: the feature is on since kubelet 1.29. */
import type { ApiClient } from './api-client.ts'

export const NATIVE_SINCE = { major: 1, minor: 29 }
const PAGE = 250
const MAX_PAGES = 80

/** `v1.31.4-eks-1234` → 1.31; undefined for what is no version. */
export function parseKubeletVersion(text: string): { readonly major: number; readonly minor: number } | undefined {
  const match = /^v?(\d{1,3})\.(\d{1,3})/.exec(text)
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) }
}

export function knowsNativeSidecars(version: string): boolean {
  const parsed = parseKubeletVersion(version)
  if (parsed === undefined) return false
  const { major, minor } = NATIVE_SINCE
  return parsed.major > major || (parsed.major === major && parsed.minor >= minor)
}

/** Asks for all nodes, page by page. Throws where they cannot be had, or there are none. */
export async function everyNodeKnowsNativeSidecars(api: Pick<ApiClient, 'get'>): Promise<boolean> {
  let from = ''
  let seen = 0
  for (let page = 0; page < MAX_PAGES; page++) {
    const { status, body } = await api.get(`/api/v1/nodes?limit=${PAGE}${from}`)
    if (status !== 200) throw new Error(`nodes: the API server answered ${status}`)
    const list = JSON.parse(body) as NodeList
    for (const { status: node } of list.items) {
      seen++
      if (!knowsNativeSidecars(node?.nodeInfo?.kubeletVersion ?? '')) return false
    }
    const next = list.metadata?.continue ?? ''
    if (next === '') break
    from = `&continue=${encodeURIComponent(next)}`
  }
  if (seen === 0) throw new Error('nodes: the cluster has none yet')
  return true
}

interface NodeList {
  readonly metadata?: { readonly continue?: string }
  readonly items: readonly { readonly status?: { readonly nodeInfo?: { readonly kubeletVersion?: string } } }[]
}
