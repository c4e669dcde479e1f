/** The result of a run as a table. */
import type { CpuResult, Result } from './run.js'

const HEAD = ['cpu', 'workers', 'attempted', 'delivered', 'lost', 'lost %', 'records/s', 'MB/s']

/** Lines of a table: a line for each CPU, and one for all. */
export function tableOf({ seconds, cpus }: Result): string {
  const row = (name: string, parts: readonly CpuResult[]): string[] => {
    const sum = (key: Exclude<keyof CpuResult, 'cpu'>): number =>
      parts.reduce((all, each) => all + each[key], 0)
    const attempted = sum('attempted')
    const lost = sum('discarded') + sum('overwritten')
    return [
      name,
      String(sum('workers')),
      whole(attempted),
      whole(sum('delivered')),
      whole(lost),
      (attempted === 0 ? 0 : (100 * lost) / attempted).toFixed(1),
      whole(sum('delivered') / seconds),
      (sum('bytes') / seconds / 1e6).toFixed(1),
    ]
  }
  const rows = [HEAD, ...cpus.map((each) => row(String(each.cpu), [each])), row('all', cpus)]
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => cells[column].length)))
  return rows.map((cells) => cells.map((cell, column) => cell.padStart(widths[column])).join('  ')).join('\n')
}

/** A whole number, its thousands apart. */
export function whole(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}
