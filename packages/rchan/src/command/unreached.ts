/** Node processes of a program that its recording did not reach. */
import { commandText, type Model } from '@rchan/analysis'

const MOST_TOLD = 5

/**
 * Returns what to say of processes that a recorded one has started, and that are not recorded.
 *
 * @param known numbers of processes that something is said of already.
 */
export function unreachedTexts({ processes }: Model, known: ReadonlySet<number>): string[] {
  const unreached = processes.flatMap(({ process, started }) =>
    started
      .filter(({ pid, isRecorded }) => !isRecorded && !known.has(pid))
      .map(({ pid, command }) => `process ${pid}, which ${process.pid} has started: ${commandText(command)}`),
  )
  if (unreached.length === 0) return []
  const more = unreached.length - MOST_TOLD
  return [
    ...unreached.slice(0, MOST_TOLD).map((text) => `not recorded: ${text}`),
    ...(more > 0 ? [`and ${more} more that are not recorded`] : []),
    'They got an environment without the NODE_OPTIONS of rchan, ended at once, or have just begun.',
  ]
}
