/** A folder for traces that are removed again, and the losses of the recordings in it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRecording, type MemoryOptions, type RecordingSettings, type RecordingSummary } from 'rchan'

export class Scratch {
  readonly path = mkdtempSync(join(tmpdir(), 'rchan-bench-'))
  #count = 0

  /** Records what `work` does, and removes the trace. @returns what `work` returns. */
  async record<T>(
    settings: RecordingSettings,
    work: () => T | Promise<T>,
    tell?: (summary: RecordingSummary) => void,
  ): Promise<T> {
    this.#count += 1
    const recording = await startRecording({ ...settings, path: join(this.path, `${this.#count}`) })
    const result = await work()
    tell?.(await recording.stop())
    await recording.stop()
    rmSync(recording.path, { recursive: true })
    return result
  }

  /** Records what `work` does in memory; nothing is taken of it. @returns what `work` returns. */
  async keep<T>(settings: MemoryOptions, work: () => T | Promise<T>): Promise<T> {
    const recording = await startRecording(settings)
    const result = await work()
    await recording.stop()
    return result
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** The losses of several recordings. */
export class LossCount {
  #attempted = 0
  #lost = 0

  readonly add = ({ events, losses }: { readonly events: number; readonly losses: number }): void => {
    this.#attempted += events + losses
    this.#lost += losses
  }

  readonly addSummary = (summary: RecordingSummary): void => {
    const { events, discarded, overwritten, torn, unwritten } = summary
    this.add({ events, losses: discarded + overwritten + torn + unwritten })
  }

  /** The part that was lost, from 0 to 1. */
  get part(): number {
    return this.#attempted === 0 ? 0 : this.#lost / this.#attempted
  }
}
