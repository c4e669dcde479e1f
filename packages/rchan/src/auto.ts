/**
 * The entry `rchan/auto`: `node --import rchan/auto app.js` records a program as it is, and
 * `rchan record` does it for all of its processes. It is CommonJS in the package, because Node
 * loads that before a program in every thread, also in workers that are started from a text.
 *
 * A program may start a Node that is too old for rchan, or whose permissions keep it from the rest
 * of rchan's files. So this file is built for Nodes of all ages, and what it can't load is no end
 * of the program.
 */
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** The oldest major version of Node that is recorded. */
const OLDEST = 20

const [major] = process.versions.node.split('.')
if (Number(major) >= OLDEST) {
  try {
    createRequire(import.meta.url)('./preloaded.js')
  } catch (error) {
    complain(String(error))
  }
} else {
  complain(`Node ${process.versions.node} is too old: rchan needs 20.19 or later`)
}

function complain(why: string): void {
  const { RCHAN_DIR: dir } = process.env
  try {
    if (dir === undefined) throw new Error('no folder')
    writeFileSync(`${dir}/${process.pid}-node.failed.txt`, `${why}\n`)
  } catch {
    process.stderr.write(`rchan: process ${process.pid} is not recorded: ${why}\n`)
  }
}
