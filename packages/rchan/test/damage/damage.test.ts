/**
 * Damage to what rchan itself records: all kinds and types, in each layout of a trace. The reader
 * refuses it or gives what the damage left; and it refuses whatever babeltrace2 refuses.
 *
 * `npm run damage` tries every byte, and more places, and prints the verdicts.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { freshFolder } from '../scenario.ts'
import { needReader, readerPath } from '../../../../test/readers.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'

const ALL = process.env.RCHAN_DAMAGE === 'all'
const LIMIT_MS = ALL ? 3_600_000 : 300_000
const STRIDE = ALL ? 1 : 11
const PLACES = ALL ? 1000 : 25
const SEED = Number(process.env.RCHAN_SEED ?? 11)

type Counts = Record<'both' | 'onlyOurs' | 'onlyTheirs' | 'neither', number>

function script(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}

function runScript(args: readonly string[]): string {
  const { signal, status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    maxBuffer: 2 ** 28,
  })
  expect({ signal, status, stderr }).toEqual({ signal: null, status: 0, stderr: '' })
  return stdout
}

describe.each(['per-thread', 'global', 'late', 'snapshot'])('%s', (layout) => {
  let trace: string
  beforeAll(() => {
    const folder = mkdtempSync(join(tmpdir(), 'rchan damage '))
    trace = join(folder, 'trace')
    runScript([script('./record.mjs'), trace, layout])
    return () => rmSync(folder, { recursive: true })
  })

  test(
    'a damaged trace is refused, or gives what the damage left',
    () => {
      const out = runScript([
        '--max-old-space-size=256',
        script('../../../ctf/test/damage/read-damaged.mjs'),
        trace,
        freshFolder(),
        ALL ? '1,8,128,255' : '1,128,255,4,32',
        ALL ? 'all' : 'each',
        String(STRIDE),
      ])
      expect((JSON.parse(out) as { faults: string[] }).faults).toEqual([])
    },
    LIMIT_MS + 1000,
  )

  test(
    'what babeltrace2 refuses, our reader refuses',
    (context) => {
      needReader(context, 'python3-bt2')
      const args = [script('./verdicts.mjs'), trace, freshFolder(), readerPath('python3-bt2')]
      const out = JSON.parse(runScript([...args, String(PLACES), String(SEED)])) as {
        readonly table: Record<string, Counts>
        readonly onlyTheirs: readonly string[]
        readonly answered: boolean
      }
      if (ALL) {
        console.log(layout)
        console.table(out.table)
      }
      expect(out.answered).toBe(true)
      expect(out.onlyTheirs).toEqual([])
    },
    LIMIT_MS + 1000,
  )
})
