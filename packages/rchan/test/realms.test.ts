import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { babeltrace, freshFolder, readTrace, run, summaryOf } from './scenario.ts'

describe.each(['per-thread', 'global'])('%s buffers', (buffers) => {
  test.each(['same', 'copy'])(
    'a copy in a vm context traces on every thread; process: %s',
    async (processOf) => {
      const folder = freshFolder()
      const nodeArgs = ['--experimental-vm-modules', '--no-warnings']
      const summary = summaryOf(await run('realms.mjs', [folder, buffers, processOf], nodeArgs))
      expect(summary).toMatchObject({ tells: true, events: 60, discarded: 0, unwritten: 0 })
      // One place for a thread where the copies can find each other, else one for each.
      const places = new Set(
        summary.perCpu.flatMap(({ cpu, threads }) => threads.map(({ generation }) => `${cpu} ${generation}`)),
      )
      expect(places.size).toBe(processOf === 'same' ? 3 : 6)
      const { records } = readTrace(folder)
      const seen = new Set(records.map(({ fields: { thread, realm, n } }) => `${thread} ${realm} ${n}`))
      expect(seen.size).toBe(60)
      expect(babeltrace(folder) ?? { events: 60, discarded: 0 }).toEqual({ events: 60, discarded: 0 })
    },
  )
})

test('environment data that are there stay, and a start says that workers would not be traced', async () => {
  const folder = join(freshFolder(), 'trace')
  const { failed, stays } = summaryOf(await run('env-data.mjs', [folder]))
  expect(stays).toBe('mine')
  expect(failed).toMatch(
    /^can't record into .*trace: the environment data of this thread hold something else/,
  )
  expect(existsSync(folder)).toBe(false)
})
