#!/usr/bin/env node
/** The command `rchan`. The build makes one file of it and of its argument library. */
import { runProgram } from './program.js'

/** The version of the package. The build puts it in. */
declare const RCHAN_VERSION: string

// A reader of standard output that goes away is no failure: writeOut says it to whoever writes.
process.stdout.on('error', () => undefined)
process.stderr.on('error', () => undefined)
void runProgram(process.argv.slice(2), RCHAN_VERSION).then((code) => {
  process.exitCode = code
})
