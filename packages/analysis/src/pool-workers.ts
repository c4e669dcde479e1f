/** Which threads are workers of which pool of a process. */
import type { Pool, ThreadUse } from './model.js'
import type { PoolModel } from './pool-model.js'
import type { ProcessModel } from './process-model.js'

/**
 * Returns the pools of a process with their workers: those that were given tasks, and idle ones,
 * which are known to be a pool's by what they share with the others.
 *
 * @param uses what the threads of the process did.
 */
export function poolsOf({ threads, pools }: ProcessModel, uses: readonly ThreadUse[]): Pool[] {
  const kindsOf = (pool: PoolModel): Set<string> =>
    new Set(
      [...pool.workers].flatMap((threadId) => {
        const worker = threads.get(threadId)
        return worker === undefined ? [] : [worker.kind]
      }),
    )
  const users = new Map<string, number>()
  for (const pool of pools.values()) {
    for (const kind of kindsOf(pool)) users.set(kind, (users.get(kind) ?? 0) + 1)
  }
  return [...pools.values()].map((pool) => {
    const own = new Set(pool.workers)
    const kinds = [...kindsOf(pool)].filter((kind) => users.get(kind) === 1)
    const isOwn = ({ thread: { threadId } }: ThreadUse): boolean => own.has(threadId)
    const isLike = ({ thread: { threadId }, role }: ThreadUse): boolean => {
      const model = threads.get(threadId)
      return role === 'worker' && model !== undefined && kinds.includes(model.kind)
    }
    const like = uses.filter((use) => isOwn(use) || isLike(use))
    // More than the pool has: then there are others of this kind.
    const workers = mostAtOnce(like) <= pool.mostThreads ? like : uses.filter(isOwn)
    for (const { thread } of workers) pool.shareOf(thread)
    return pool.result(workers.length, mostAtOnce(workers))
  })
}

/** How many of threads lived at once at most. */
function mostAtOnce(threads: readonly ThreadUse[]): number {
  const changes = threads.flatMap(({ from, to }) => [
    { time: from, by: 1 },
    { time: to, by: -1 },
  ])
  changes.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : a.by - b.by))
  let count = 0
  let most = 0
  for (const { by } of changes) {
    count += by
    most = Math.max(most, count)
  }
  return most
}
