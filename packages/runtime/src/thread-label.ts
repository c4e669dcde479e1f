/** How a trace calls the calling thread. */
import { THREAD_NAME_BYTES } from './arena.js'
import type { Machine } from './machine.js'
import { encodeInto, thisProcess } from './process.js'

export class ThreadLabel {
  /** The name of this thread, as its places hold it: UTF-8, cut at a character. */
  readonly name = new Uint8Array(THREAD_NAME_BYTES)
  #isGiven = false

  /**
   * @param changed is called when the thread's file is known only later. Node tells a worker's file
   * after the code that is loaded before it (`--require`).
   */
  constructor(machine: Machine, changed: () => void) {
    try {
      encodeInto(machine.threadName, this.name)
      if (machine.threadFile !== '') return
      thisProcess.nextTick(() => {
        if (machine.threadFile === '') return
        try {
          if (!this.#isGiven) this.#set(machine.threadName)
          changed()
        } catch {
          // As below.
        }
      })
    } catch {
      // The stack is full, or the program has broken built-ins before. A trace can do without the
      // name.
    }
  }

  /** Names the thread as the program wants it. */
  give(name: string): void {
    this.#isGiven = true
    this.#set(name)
  }

  #set(name: string): void {
    this.name.fill(0)
    encodeInto(name, this.name)
  }
}
