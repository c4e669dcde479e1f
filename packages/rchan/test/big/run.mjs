/**
 * `npm run big`: whether reading and converting takes no more memory for a big trace than for one
 * of 10 MB.
 *
 *   npm run big -- [--mb MEGABYTES] [--way items|perfetto|…]
 */
import { parseArgs } from 'node:util'
import { compare, WAYS } from './big.mjs'

const { values } = parseArgs({
  options: { mb: { type: 'string', default: '1024' }, way: { type: 'string', multiple: true } },
})
const megabytes = Number(values.mb)
const ways = values.way ?? WAYS
const unknown = ways.find((way) => !WAYS.includes(way))
if (!(megabytes > 10)) throw new RangeError(`--mb=${values.mb}: expected a number above 10`)
if (unknown !== undefined) throw new RangeError(`--way=${unknown}: there are ${WAYS.join(', ')}`)
const wrong = compare(10, megabytes, ways, console.log)
for (const line of wrong) console.error(line)
process.exitCode = wrong.length === 0 ? 0 : 1
