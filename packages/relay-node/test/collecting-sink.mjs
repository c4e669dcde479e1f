/**
 * A sink that appends all bytes of a CPU to a file in `dir`, and fails as `init` says: `throwsAt`
 * the nth sub-buffer; `slowMs` is how long each takes; `dies` ends the thread at that sub-buffer.
 */
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

let init
let count = 0
const quiet = new Int32Array(new SharedArrayBuffer(4))

export function start(given) {
  init = given
  if (init.startThrows) throw new Error('no start today')
  writeFileSync(join(init.dir, 'started'), '')
}

export async function write({ cpu, bytes }) {
  count += 1
  if (init.slowMs) Atomics.wait(quiet, 0, 0, init.slowMs)
  if (count === init.dies) process.exit(3)
  if (count === init.throwsAt) throw new Error('the disk is gone')
  await Promise.resolve()
  appendFileSync(join(init.dir, `cpu${cpu}`), bytes)
}

export function end(totals) {
  writeFileSync(join(init.dir, 'totals.json'), JSON.stringify(totals))
}
