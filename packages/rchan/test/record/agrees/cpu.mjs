// Tasks that measure their own time on a CPU, in a pool of one worker. Prints the times, in ms.
import { Piscina } from 'piscina'

const filename = new URL('./works.mjs', import.meta.url).href
const pool = new Piscina({ filename, minThreads: 1, maxThreads: 1 })
// The first one loads the file.
await pool.run(1)
const used = []
for (const ms of [30, 40, 50, 60]) used.push(await pool.run(ms, { name: 'onCpu' }))
console.log(JSON.stringify(used))
await pool.destroy()
