/**
 * How long the CPUs of the machine have been idle, all together, since it was started (Linux,
 * `/proc/uptime`). Threads that run no JavaScript use CPUs, too (libuv's, V8's), and so do other
 * programs: only the machine knows that a CPU was idle. It counts in ticks of 10 ms.
 */
import { closeSync, openSync, readSync } from 'node:fs'

const LARGEST_TEXT = 64
const NS_PER_S = 1e9

/** The machine's account. */
export class MachineIdle {
  readonly #descriptor: number
  readonly #text = Buffer.alloc(LARGEST_TEXT)
  /** Idle time of all CPUs, in ns. */
  ns = 0

  private constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  /** @returns undefined where the system keeps no such account. */
  static open(): MachineIdle | undefined {
    try {
      const account = new MachineIdle(openSync('/proc/uptime', 'r'))
      if (account.read()) return account
      account.close()
      return undefined
    } catch {
      return undefined
    }
  }

  /** Reads it anew. @returns whether that was possible. */
  read(): boolean {
    try {
      const length = readSync(this.#descriptor, this.#text, 0, LARGEST_TEXT, 0)
      const [, idle = ''] = this.#text.toString('latin1', 0, length).split(' ')
      const seconds = Number.parseFloat(idle)
      if (!Number.isFinite(seconds)) return false
      this.ns = Math.round(seconds * NS_PER_S)
      return true
    } catch {
      return false
    }
  }

  close(): void {
    try {
      closeSync(this.#descriptor)
    } catch {
      // The program has closed all descriptors.
    }
  }
}
