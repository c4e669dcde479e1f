// Threads of libuv compute; then it says what the process has used of CPUs, and lives for a while.
import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(pbkdf2)
await Promise.all(Array.from({ length: 8 }, () => derive('word', 'salt', 40_000, 32, 'sha512')))
const { user, system } = process.cpuUsage()
console.log(JSON.stringify({ time: `${process.hrtime.bigint()}`, used: (user + system) * 1000 }))
setTimeout(() => undefined, 1000)
