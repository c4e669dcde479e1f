// Puts a folder where the recording would write a file, as a stand-in for a disk that fails.
import { mkdirSync } from 'node:fs'

const { RCHAN_DIR: dir } = process.env
if (dir !== undefined) mkdirSync(`${dir}/${process.pid}-blocks/cpu_0`)
process.on('warning', ({ message }) => console.log('warned', message))
setTimeout(() => console.log('done'), 700)
