// A reporter of vitest: keeps in a file which tests run just now, so that it is known after a kill,
// too. RCHAN_RUNNING names the file. It is written when a test begins or ends.
import { relative } from 'node:path'
import { renameSync, writeFileSync } from 'node:fs'

export default class Running {
  #file = process.env.RCHAN_RUNNING
  #running = new Map()
  #done = 0

  onTestModuleStart(module) {
    this.#running.set(module.id, nameOf(module))
    this.#write()
  }

  onTestModuleEnd(module) {
    this.#running.delete(module.id)
    this.#write()
  }

  onTestCaseReady(test) {
    this.#running.set(test.id, `${nameOf(test.module)} > ${test.fullName}`)
    this.#write()
  }

  onTestCaseResult(test) {
    this.#done += 1
    this.#running.delete(test.id)
    this.#write()
  }

  #write() {
    if (this.#file === undefined) return
    const text = JSON.stringify({ done: this.#done, running: [...this.#running.values()] })
    // In one step: it is read at any time.
    writeFileSync(`${this.#file}.new`, text)
    renameSync(`${this.#file}.new`, this.#file)
  }
}

function nameOf(module) {
  return relative(process.cwd(), module.moduleId)
}
