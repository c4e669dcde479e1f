/**
 * The line that says how a program is doing while it is recorded: on the last line of a terminal,
 * below the part in which the program's own output scrolls. If the output goes elsewhere, it is a
 * line of stderr that is written anew.
 */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readStatus, type Status } from '@rchan/probes/status'

const EVERY_MS = 500
const ESC = '\u001B'
const MIN_ROWS = 4
const COLUMNS = 80

export class LiveLine {
  readonly #dir: string
  readonly #startedAt = performance.now()
  readonly #timer: NodeJS.Timeout
  /** Whether the program writes to the same terminal. */
  readonly #isShared = process.stdout.isTTY && (process.stderr.rows ?? 0) >= MIN_ROWS
  readonly #onResize = (): void => this.#reserve()
  #isDrawn = false

  private constructor(dir: string) {
    this.#dir = dir
    this.#timer = setInterval(() => this.#draw(), EVERY_MS)
    this.#timer.unref()
    if (this.#isShared) process.stderr.on('resize', this.#onResize)
  }

  /** Starts it. @returns undefined if there is no terminal to write it to. */
  static start(dir: string): LiveLine | undefined {
    return process.stderr.isTTY ? new LiveLine(dir) : undefined
  }

  /** Removes it. */
  end(): void {
    clearInterval(this.#timer)
    process.stderr.off('resize', this.#onResize)
    if (this.#isDrawn) {
      const rows = process.stderr.rows
      process.stderr.write(
        this.#isShared ? `${ESC}7${ESC}[1;${rows}r${ESC}[${rows};1H${ESC}[K${ESC}8` : `\r${ESC}[K`,
      )
    }
    for (const name of namesIn(this.#dir)) rmSync(join(this.#dir, name), { force: true })
  }

  /** Keeps the last line of the terminal free. */
  #reserve(): void {
    if (!this.#isShared || !this.#isDrawn) return
    const { rows } = process.stderr
    // One line up first: the cursor may stand in the last one.
    process.stderr.write(`\n${ESC}7${ESC}[1;${rows - 1}r${ESC}8${ESC}[1A`)
  }

  #draw(): void {
    const seconds = Math.round((performance.now() - this.#startedAt) / 1000)
    // A terminal that nobody looks at, of a test or a job, may have none.
    const columns = process.stderr.columns || COLUMNS
    const text = statusText(seconds, statusesIn(this.#dir)).slice(0, columns - 1)
    if (!this.#isDrawn) {
      this.#isDrawn = true
      this.#reserve()
    }
    process.stderr.write(
      this.#isShared ? `${ESC}7${ESC}[${process.stderr.rows};1H${ESC}[K${text}${ESC}8` : `\r${ESC}[K${text}`,
    )
  }
}

/** Returns the line. */
export function statusText(seconds: number, statuses: readonly Status[]): string {
  const sum = (count: (status: Status) => number): number =>
    statuses.reduce((total, status) => total + count(status), 0)
  const tasks = sum((status) => status.tasks)
  const failed = sum((status) => status.failedTasks)
  const lost = sum((status) => status.lost)
  const parts = [
    `rchan: ${seconds} s`,
    plural(statuses.length, 'process', 'processes'),
    plural(
      sum(({ threads }) => threads),
      'thread',
    ),
    ...(tasks > 0 ? [plural(tasks, 'task')] : []),
    ...(failed > 0 ? [`${failed.toLocaleString('en-US')} failed`] : []),
    plural(
      sum(({ events }) => events),
      'event',
    ),
    ...(lost > 0 ? [`${lost.toLocaleString('en-US')} lost`] : []),
  ]
  return parts.join(', ')
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`
}

function statusesIn(dir: string): Status[] {
  return namesIn(dir)
    .filter((name) => name.endsWith('.json'))
    .map((name) => readStatus(join(dir, name)))
    .filter((status) => status !== undefined)
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir).filter((name) => name.startsWith('.status-'))
  } catch {
    return []
  }
}
