import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { isDead, isProvable, thisThread, eventIdentity } from '@rchan/threads'

function run(command: string, args: readonly string[]): Record<string, unknown> {
  const ran = spawnSync(command, args, { encoding: 'utf8', timeout: 240_000 })
  if (ran.status !== 0) throw new Error(`the fixture ended with ${ran.status} ${ran.signal}: ${ran.stderr}`)
  return JSON.parse(ran.stdout) as Record<string, unknown>
}

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))

describe.skipIf(process.platform !== 'linux')('on Linux', () => {
  test('a thread is named by the kernel, provably, and always the same', () => {
    const me = thisThread()
    expect(me.identity).toBeGreaterThan(0)
    expect(isProvable(me.identity)).toBe(true)
    expect(me.startTicks).toBeGreaterThan(0)
    expect(thisThread()).toBe(me)
  })

  for (const name of ['worker', 'x) S 1 2 3 (y', ') R 0 ']) {
    test(`the death of a worker called ${JSON.stringify(name)} and of its workers is seen, not guessed, by a blocked main thread`, () => {
      const seen = run(process.execPath, [fixture('identities.mjs'), name])
      expect(seen).toMatchObject({
        alive: [true, true, true],
        byIdAlone: [true, true, true],
        another: [false, false, false],
        stillAlive: true,
        dead: [true, true, true],
        deadByItself: [true],
        main: { threadId: 0, alive: true },
      })
      const { main, threads } = seen as {
        main: { identity: number; pid: number }
        threads: { identity: number; startTicks: number }[]
      }
      expect(main.identity).toBe(main.pid)
      expect(new Set(threads.map(({ identity }) => identity)).size).toBe(3)
      for (const { startTicks } of threads) expect(startTicks).toBeGreaterThan(0)
    })
  }

  for (const when of ['known', 'new']) {
    test(`a live thread (${when}) is not taken for dead because no file can be opened`, () => {
      const script = 'ulimit -n 60; exec "$0" "$@"'
      const seen = run('sh', ['-c', script, process.execPath, fixture('no-descriptors.mjs'), when])
      expect(seen).toMatchObject({
        code: 'EMFILE',
        identity: seen.pid,
        alive: true,
        workerAlive: true,
        aliveAfterwards: true,
        workerAliveAfterwards: false,
      })
    })
  }

  test('a worker is dead as soon as its exit event has come, though the system may list it for a while yet', () => {
    const seen = run(process.execPath, [fixture('exit-events.mjs')])
    expect(seen).toEqual({ ended: 15, terminated: 15 })
  })

  // A thread that saw no thread, not even itself, once switched off the recording of a whole
  // process.
  describe.each([
    'missing',
    'binding',
    'forbidden',
    'codeless',
    'empty',
    'garbage',
    'buffers',
    'stolen',
    'misled',
  ])('with a file system that is mocked (%s)', (mock) => {
    test('after it was loaded, a thread knows who it is, and takes nobody who lives for dead', () => {
      const seen = run(process.execPath, [fixture('mocked-fs.mjs'), mock, 'after'])
      expect(seen).toMatchObject({
        isProvable: true,
        isUnique: true,
        mainIsDead: false,
        mainIsDeadById: false,
      })
      // What was taken when it was loaded still reads, unless it is mocked from under it: then
      // nothing is proven.
      expect(seen.goneIsDead).toBe(mock !== 'binding')
    })

    test('before it was loaded, a thread has an identity of its own, and takes nobody who lives for dead', () => {
      const seen = run(process.execPath, [fixture('mocked-fs.mjs'), mock, 'before'])
      expect(seen).toMatchObject({
        isProvable: false,
        isThreadId: true,
        isUnique: true,
        mainIsDead: false,
        mainIsDeadById: false,
        goneIsDead: false,
      })
    })
  })

  test('a thread id that is not one of this process is dead', () => {
    expect(isDead(2 ** 31 - 1, 0)).toBe(true)
  })
})

test('an identity from Node’s thread id is never 0 and not provable', () => {
  for (const id of [0, 1, 17]) {
    expect(eventIdentity(id).identity).toBeLessThan(0)
    expect(isProvable(eventIdentity(id).identity)).toBe(false)
  }
})
