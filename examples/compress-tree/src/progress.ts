/**
 * Shows the progress of the job: on a terminal as one line that is updated, otherwise as a line for
 * each phase and a few in between.
 *
 * Runs on the main thread. While it shows, it owns a timer and the cursor's line.
 */
import type { WriteStream } from 'node:tty'
import type { Progress } from './job.js'
import { bytesText, countText, numberText } from './quantities.js'

const TERMINAL_INTERVAL_MS = 100
const PLAIN_INTERVAL_MS = 3000
const BAR_CHARS = 24
const PHASE_CHARS = 'trickle'.length
const ERASE_LINE = '\r\x1b[K'

export class ProgressLine {
  private readonly out: WriteStream
  private readonly total: number
  private readonly read: () => Progress
  private readonly timer: NodeJS.Timeout

  /** Starts to show. @param total number of files. */
  constructor(out: WriteStream, total: number, read: () => Progress) {
    this.out = out
    this.total = total
    this.read = read
    this.timer = setInterval(
      () => this.out.write(this.out.isTTY ? ERASE_LINE + this.line() : `${this.line()}\n`),
      out.isTTY ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS,
    )
  }

  /** Shows the phase that starts now. */
  enter(phase: string, what: string): void {
    const line = `  ${phase.padEnd(PHASE_CHARS)} ${what}`
    this.out.write(this.out.isTTY ? `${ERASE_LINE}${line}\n` : `${line}\n`)
  }

  /** Stops, and leaves the cursor at the start of a line. */
  stop(): void {
    clearInterval(this.timer)
    if (this.out.isTTY) this.out.write(ERASE_LINE)
  }

  private line(): string {
    const { done, bytesIn, threads, waiting } = this.read()
    const full = this.total === 0 ? BAR_CHARS : Math.floor((done / this.total) * BAR_CHARS)
    const bar = this.out.isTTY ? `${'█'.repeat(full)}${'░'.repeat(BAR_CHARS - full)} ` : ''
    const line =
      `  ${bar}${numberText(done)} of ${countText(this.total, 'file')}, ${bytesText(bytesIn)}, ` +
      `${countText(threads, 'thread')}, ${waiting} waiting`
    // A longer line would wrap, and then it can't be erased.
    return this.out.isTTY ? line.slice(0, this.out.columns - 1) : line
  }
}
