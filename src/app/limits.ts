/** How near the process and its host are to limits that stop new connections; Linux. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { errnoOf } from '../core/errors.ts'
import type { Limits } from '../telemetry/proxy-health.ts'

const DESCRIPTORS = '/proc/self/fd'
const CONNTRACK = '/proc/sys/net/netfilter/nf_conntrack_'

/** A reader; what cannot be read is 0, or what it was last. */
export function limitsReader(): () => Promise<Limits> {
  let descriptorsLimit = 0
  let conntrackLimit = 0
  return async () => {
    const [descriptors, limits, conntrack, most] = await Promise.all([
      openDescriptors(),
      readFile('/proc/self/limits', 'latin1').catch(() => ''),
      number(`${CONNTRACK}count`),
      number(`${CONNTRACK}max`),
    ])
    const soft = /^Max open files\s+(\d+)/m.exec(limits)
    descriptorsLimit = soft === null ? descriptorsLimit : Number(soft[1])
    conntrackLimit = most || conntrackLimit
    return { descriptors: Math.min(descriptors, descriptorsLimit), descriptorsLimit, conntrack, conntrackLimit }
  }
}

/** From Linux 6.2 on the folder's size is their number; before, they have to be listed. */
async function openDescriptors(): Promise<number> {
  try {
    const { size } = await stat(DESCRIPTORS)
    return size > 0 ? size : (await readdir(DESCRIPTORS)).length
  } catch (error) {
    // None is left to count them with: all are open.
    return errnoOf(error) === 'EMFILE' ? Number.MAX_SAFE_INTEGER : 0
  }
}

async function number(path: string): Promise<number> {
  const text = await readFile(path, 'latin1').catch(() => '')
  return Number.parseInt(text, 10) || 0
}
