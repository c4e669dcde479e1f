// A process that starts two others, one of them with an environment of its own.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const child = fileURLToPath(new URL('./idle.mjs', import.meta.url))
const ended = (process) => new Promise((done) => process.once('exit', done))
await Promise.all([ended(fork(child, ['a'])), ended(fork(child, ['b'], { env: { PATH: process.env.PATH } }))])
