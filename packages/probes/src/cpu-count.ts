/**
 * How many CPUs the process may use. Node's `availableParallelism` knows the CPUs on which threads
 * may run; a quota of time (`docker run --cpus 2`, systemd's `CPUQuota`) only newer versions know.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const ROOT = '/sys/fs/cgroup'

/** Returns the number of CPUs, at least 1. A part of a CPU doesn't count. */
export function cpuCount(): number {
  const cpus = availableParallelism()
  return Math.max(1, Math.min(cpus, Math.floor(quotaOf(textOf('/proc/self/cgroup'), textOf))))
}

/**
 * Returns the smallest quota of the groups that a process is in, as a number of CPUs; Infinity if
 * there is none.
 *
 * @param groups what `/proc/self/cgroup` has: lines of `number:controllers:path`.
 * @param read returns the text of a file; empty if it can't be read.
 */
export function quotaOf(groups: string, read: (file: string) => string): number {
  let least = Infinity
  for (const line of groups.split('\n')) {
    const [, controllers, path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === undefined) continue
    const isUnified = controllers === ''
    if (!isUnified && !controllers.split(',').includes('cpu')) continue
    const mount = isUnified ? ROOT : `${ROOT}/cpu`
    for (const folder of withParents(path)) {
      const [quota, period] = isUnified
        ? read(`${mount}${folder}/cpu.max`).split(' ')
        : [read(`${mount}${folder}/cpu.cfs_quota_us`), read(`${mount}${folder}/cpu.cfs_period_us`)]
      // `max`, −1 and nothing stand for no limit.
      const cpus = Number.parseInt(quota, 10) / Number.parseInt(period, 10)
      if (cpus > 0) least = Math.min(least, cpus)
    }
  }
  return least
}

/** `/a/b`, `/a`, and the root. In a container the root may be all that can be seen. */
function withParents(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '')
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`).concat('')
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
