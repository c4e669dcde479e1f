// Our reader and others can read a trace on disk after late starts, kills, and changes to its
// files.
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { symlinkSync, truncateSync, writeFileSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openTrace } from '@rchan/ctf/reader'
import { startRecording, tracepoint, type Recording } from 'rchan'
import { describe, expect, onTestFinished, test } from 'vitest'
import { hasReader, needReader } from '../../../test/readers.ts'
import { killOne } from './kills/kill.mjs'
import { babeltrace, freshFolder, readTrace, run, summaryOf } from './scenario.ts'

const SHAPES = [
  { mode: 'discard', buffers: 'per-thread' },
  { mode: 'overwrite', buffers: 'per-thread' },
  { mode: 'discard', buffers: 'global' },
  { mode: 'overwrite', buffers: 'global' },
] as const

describe('a recording that starts before tracepoints are declared', () => {
  const orders = [
    'main declares after the start, workers before and after',
    'main declares after the start and traces while workers do',
    'main declares before the start and traces after a second recording began',
    'main starts, and only workers declare and trace',
  ]
  for (const buffers of ['per-thread', 'global'] as const) {
    for (const order of orders) {
      test(`can be read: ${order} (${buffers})`, async (context) => {
        needReader(context, 'babeltrace2')
        const path = join(freshFolder(), 'trace')
        const summary = summaryOf(await run('declared-late.mjs', [path, JSON.stringify({ buffers }), order]))
        expect(summary).toMatchObject({ events: 300, discarded: 0, torn: 0, unwritten: 0 })
        expect(summary.error).toBeUndefined()
        expect(readTrace(path).records.length).toBe(300)
        expect(babeltrace(path)).toEqual({ events: 300, discarded: 0 })
      })
    }
  }
})

describe('a process that is killed under load', () => {
  for (const options of SHAPES) {
    test(`leaves whole packets ${JSON.stringify(options)}`, async () => {
      for (const delayMs of [5, 40, 90]) {
        const shape = { ...options, flushIntervalMs: 10 }
        const babeltrace2 = hasReader('babeltrace2')
        const { problem } = await killOne({
          parent: freshFolder(),
          options: shape,
          delayMs,
          babeltrace: babeltrace2,
        })
        expect(problem).toBeUndefined()
      }
    })
  }
})

describe('a trace that is still being recorded', () => {
  for (const options of SHAPES) {
    test(`can be read at any moment ${JSON.stringify(options)}`, async (context) => {
      needReader(context, 'babeltrace2')
      const path = join(freshFolder(), 'trace')
      const flood = fileURLToPath(new URL('./kills/flood.mjs', import.meta.url))
      const child = spawn(
        process.execPath,
        [flood, path, JSON.stringify({ ...options, flushIntervalMs: 10 })],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      )
      onTestFinished(() => void child.kill('SIGKILL'))
      await new Promise((done) => child.stdout.once('data', done))
      while (!readdirSync(path).some((name) => /^(?:cpu_|global)/.test(name))) await setTimeout(5)
      let before = 0
      // At least until there is something: on a busy machine the first packet can be late.
      for (let look = 0; look < 12 || before === 0; look += 1) {
        let events = 0
        // No more than is there at first: it is written as fast as we read.
        for (const _ of openTrace(path).records()) if ((events += 1) >= 200_000) break
        // Forbidden: less than before, or an error.
        expect(events).toBeGreaterThanOrEqual(Math.min(before, 200_000))
        before = events
        await setTimeout(3)
      }
    })
  }
})

describe.skipIf(process.platform === 'win32')(
  'what somebody else does to a trace while it is recorded',
  () => {
    const point = tracepoint('readable:point', { n: 'u32' })

    /**
     * Records 10 events that reach the disk, calls a function, records 5 more.
     * @returns the summary of `stop`.
     */
    async function spoil(
      path: string,
      what: (recording: Recording) => void,
      options: object = {},
    ): Promise<Awaited<ReturnType<Recording['stop']>>> {
      const recording = await startRecording({ path, flushIntervalMs: 10, ...options })
      try {
        for (let n = 0; n < 10; n += 1) point({ n })
        const isThere = (): boolean => {
          try {
            return [...openTrace(path).records()].length === 10
          } catch {
            return false
          }
        }
        while (!isThere()) await setTimeout(5)
        what(recording)
        for (let n = 0; n < 5; n += 1) point({ n })
      } finally {
        await recording.stop()
      }
      return await recording.stop()
    }

    for (const buffers of ['per-thread', 'global'] as const) {
      const stream = buffers === 'global' ? 'global' : 'cpu_0'

      test(`metadata is removed: the error says so, and nothing counts as written (${buffers})`, async () => {
        const path = join(freshFolder(), 'trace')
        const summary = await spoil(path, () => rmSync(join(path, 'metadata')), { buffers })
        expect(summary).toMatchObject({ events: 0, unwritten: 15 })
        expect(summary.error).toMatch(/metadata was removed/)
      })

      test(`metadata is cut or replaced (${buffers})`, async () => {
        const folder = freshFolder()
        const cut = await spoil(join(folder, '1'), () => truncateSync(join(folder, '1', 'metadata'), 20), {
          buffers,
        })
        expect(cut).toMatchObject({ events: 0, unwritten: 15 })
        expect(cut.error).toMatch(/metadata was changed/)
      })

      test(`a stream is cut, or removed (${buffers})`, async () => {
        const folder = freshFolder()
        for (const [i, what] of [
          (path: string) => truncateSync(path, 100),
          (path: string) => truncateSync(path, 0),
          (path: string) => rmSync(path),
        ].entries()) {
          const path = join(folder, `${i}`)
          const summary = await spoil(path, () => what(join(path, stream)), { buffers })
          expect(summary).toMatchObject({ events: 0, unwritten: 15 })
          expect(summary.error).toMatch(new RegExp(`${stream} was (?:changed|removed)`))
        }
      })

      test(`its folder is replaced: metadata and streams stay together, and the error says where (${buffers})`, async () => {
        const parent = freshFolder()
        const path = join(parent, 'trace')
        const moved = join(parent, 'moved')
        const late = tracepoint(`readable:late-${buffers}`, { n: 'u32' })
        const summary = await spoil(
          path,
          () => {
            renameSync(path, moved)
            mkdirSync(path)
            late({ n: 1 })
          },
          { buffers },
        )
        expect(summary).toMatchObject({ events: 0, unwritten: 16 })
        expect(summary.error).toMatch(/was replaced by another/)
        if (process.platform !== 'linux') return
        expect(summary.error).toContain(moved)
        expect(readdirSync(path)).toEqual([])
        expect(readTrace(moved).records.length).toBe(16)
      })
    }

    test('links that others laid are not followed: not at the names of drafts, streams or metadata', async () => {
      const folder = freshFolder()
      const victim = join(folder, 'victim')
      writeFileSync(victim, 'precious')
      for (const [i, name] of ['.metadata', '.cpu_0', 'metadata'].entries()) {
        const path = join(folder, `link at ${name}`)
        mkdirSync(path)
        chmodSync(path, 0o777)
        const recording = await startRecording({ path })
        if (name === 'metadata') rmSync(join(path, name))
        symlinkSync(victim, join(path, name))
        tracepoint(`readable:linked-${i}`, { n: 'u32' })({ n: 1 })
        const { events, error } = await recording.stop()
        expect(readFileSync(victim, 'utf8')).toBe('precious')
        expect(error).toBeUndefined()
        expect(events).toBe(1)
        expect(lstatSync(join(path, 'metadata')).isFile()).toBe(true)
        rmSync(join(path, name), { force: name !== 'metadata' })
      }
      // At the name of a stream: it can't be made, and it is said.
      const path = join(folder, 'link at cpu_0')
      const recording = await startRecording({ path })
      symlinkSync(victim, join(path, 'cpu_0'))
      point({ n: 1 })
      const { events, unwritten, error } = await recording.stop()
      expect({ events, unwritten }).toEqual({ events: 0, unwritten: 1 })
      expect(error).toMatch(/EEXIST/)
      expect(readFileSync(victim, 'utf8')).toBe('precious')
      expect(existsSync(join(path, 'metadata'))).toBe(true)
    })
  },
)
