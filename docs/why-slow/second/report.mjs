// Prints what was sold best in three years, month by month.
import { Piscina } from 'piscina'

const pool = new Piscina({ filename: new URL('./best.mjs', import.meta.url).href, maxThreads: 2 })
const began = performance.now()
const months = Array.from({ length: 36 }, (_, month) => pool.run(month))
for (const [month, best] of (await Promise.all(months)).entries()) console.log(month, best.join(', '))
console.error(`${Math.round(performance.now() - began)} ms`)
await pool.destroy()
