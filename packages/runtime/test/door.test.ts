import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { nodeMachine } from '@rchan/runtime'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { Door } from '../dist/door.js'
import { PrivateFolder } from '../dist/private-folder.js'
import { registrationName, registryPaths } from '../dist/registration.js'
import { requestSnapshot } from '../dist/request-snapshot.js'
import type { SnapshotCause } from '../dist/trigger.js'
import { freshFolder } from './faults.ts'

const environment = { ...process.env }
let registry: string
beforeEach(() => {
  const runtime = freshFolder()
  process.env.XDG_RUNTIME_DIR = runtime
  registry = join(runtime, 'rchan')
})
afterEach(() => {
  process.env = { ...environment }
})

/** A door of this process, which looks all the time until it is closed. */
function openDoor(take: (cause: SnapshotCause) => string, recording = 1) {
  const causes: SnapshotCause[] = []
  const door = new Door(
    { folders: registryPaths(), name: registrationName(7, recording) },
    nodeMachine,
    (cause) => {
      causes.push(cause)
      return take(cause)
    },
  )
  const timer = setInterval(() => door.look(nodeMachine.now()), 5)
  const close = (): void => {
    clearInterval(timer)
    door.close()
  }
  return { door, causes, close }
}

describe('a door', () => {
  test('takes requests, answers each, and leaves nothing behind', async () => {
    const { causes, close } = openDoor(({ reason }) => `/snapshots/${reason}`)
    expect(statSync(registry).mode & 0o777).toBe(0o700)
    const asked = Array.from({ length: 20 }, (_, i) => requestSnapshot(process.pid, { reason: `r${i}\n` }))
    const paths = (await Promise.all(asked)).map(({ path }) => path)
    expect(paths).toEqual(Array.from({ length: 20 }, (_, i) => `/snapshots/r${i}`))
    expect(causes[0]).toMatchObject({ trigger: 'request', thread: -1 })
    await requestSnapshot(process.pid)
    expect(causes.at(-1)?.reason).toBe('asked for by another process')
    expect(readdirSync(join(registry, readdirSync(registry)[0]))).toEqual([])
    close()
    expect(readdirSync(registry)).toEqual([])
  })

  test('tells why there is no snapshot', async () => {
    const { close } = openDoor(() => {
      throw new Error('the disk is full')
    })
    await expect(requestSnapshot(process.pid)).rejects.toThrow(
      `process pid=${process.pid} took no snapshot: the disk is full`,
    )
    close()
  })

  test('of the newest recording of a process is asked', async () => {
    const old = openDoor(() => '/old', 9)
    const newer = openDoor(() => '/new', 10)
    expect(await requestSnapshot(process.pid)).toEqual({ path: '/new' })
    newer.close()
    expect(await requestSnapshot(process.pid)).toEqual({ path: '/old' })
    old.close()
  })

  test('comes back when its folder was cleaned away', async () => {
    const { door, close } = openDoor(() => '/here')
    rmSync(registry, { recursive: true })
    while (!existsSync(registry)) await new Promise((done) => setTimeout(done, 5))
    expect(await requestSnapshot(process.pid)).toEqual({ path: '/here' })
    close()
    door.look(Infinity)
  })

  test('looks again later, and not at once, while its folder can be made and not be read', () => {
    const door = new Door({ folders: registryPaths(), name: registrationName(7, 1) }, nodeMachine, () => '/x')
    const names = vi.spyOn(PrivateFolder.prototype, 'names').mockImplementation(() => {
      throw new Error('EMFILE: no descriptor is left')
    })
    onTestFinished(() => names.mockRestore())
    door.look(1000)
    expect(door.dueAt).toBe(1000)
    door.look(1000)
    expect(door.dueAt).toBeGreaterThan(2000)
    names.mockRestore()
    door.look(9000)
    expect(door.dueAt).toBeLessThan(9500)
    door.close()
  })

  test('opens in a temporary folder that is a link', async () => {
    const link = join(freshFolder(), 'link')
    symlinkSync(freshFolder(), link)
    process.env.XDG_RUNTIME_DIR = link
    const { close } = openDoor(() => '/here')
    expect(await requestSnapshot(process.pid)).toEqual({ path: '/here' })
    close()
  })

  test('reads no more than it should, and no file that would block it', async () => {
    const { causes, close } = openDoor(() => '/here')
    const own = join(registry, readdirSync(registry)[0])
    const target = join(freshFolder(), 'secret')
    writeFileSync(target, 'secret')
    symlinkSync(target, join(own, `request-${'a'.repeat(16)}`))
    mkdirSync(join(own, `request-${'b'.repeat(16)}`))
    writeFileSync(join(own, 'request-1'), 'no request')
    writeFileSync(join(own, `request-${'c'.repeat(16)}`), '\u0007x'.repeat(100_000))
    const pipe = spawn('mkfifo', [join(own, `request-${'d'.repeat(16)}`)])
    await once(pipe, 'close')
    expect(await requestSnapshot(process.pid)).toEqual({ path: '/here' })
    await new Promise((done) => setTimeout(done, 50))
    for (const { reason } of causes) {
      expect(reason).not.toContain('secret')
      expect(reason.length).toBeLessThanOrEqual(300)
    }
    expect(existsSync(target)).toBe(true)
    close()
  })

  test('whose process does not answer is given up, and no request is left', async () => {
    const door = new Door({ folders: registryPaths(), name: registrationName(7, 1) }, nodeMachine, () => '/x')
    await expect(requestSnapshot(process.pid, { timeoutMs: 50 })).rejects.toThrow(
      `process pid=${process.pid} has not answered for timeoutMs=50: it did not see the request`,
    )
    expect(readdirSync(join(registry, readdirSync(registry)[0]))).toEqual([])
    door.close()
  })
})

describe('a folder that is not for its user alone is refused', () => {
  const isRoot = process.getuid?.() === 0

  for (const [what, spoil, says] of [
    [
      'open to others',
      (path: string) => chmodSync(path, 0o755),
      'is open to other users (mode=755, not 700)',
    ],
    [
      'a link',
      (path: string) => {
        rmSync(path, { recursive: true })
        symlinkSync(freshFolder(), path)
      },
      'is no folder',
    ],
    [
      'in the hands of all',
      (path: string) => chmodSync(join(path, '..'), 0o777),
      'is in a folder in which any user may replace it',
    ],
  ] as const) {
    test(`because it is ${what}`, async () => {
      PrivateFolder.make(registry)
      spoil(registry)
      const folders = [registry]
      const make = (): unknown => new Door({ folders, name: registrationName(7, 1) }, nodeMachine, () => '')
      expect(make).toThrow(`no folder for requests of other processes: ${registry} ${says}`)
      await expect(requestSnapshot(process.pid)).rejects.toThrow(`${registry} ${says}`)
    })
  }

  test.skipIf(!isRoot)("because it is another user's", async () => {
    PrivateFolder.make(registry)
    const { chownSync } = await import('node:fs')
    chownSync(registry, 1234, 1234)
    expect(() => PrivateFolder.open(registry)).toThrow(
      'belongs to another user (uid=1234, this process has uid=0)',
    )
  })
})

describe('who asks in vain is told', () => {
  test('that there is no such process, and what another one lacks', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const pid = child.pid!
    await expect(requestSnapshot(pid)).rejects.toThrow(
      `process pid=${pid} has no flight recording that takes requests: it has to call rchan's ` +
        `startRecording({ mode: 'flight', … }), without snapshotOn: { requests: false }. Looked in ${registry}`,
    )
    child.kill('SIGKILL')
    await once(child, 'close')
    await expect(requestSnapshot(pid)).rejects.toThrow(`there is no process pid=${pid}`)
  })

  test.skipIf(process.getuid?.() !== 0)('that a process is of another user', async () => {
    const child = spawn('sleep', ['1000'], { uid: 1234, gid: 1234 })
    await once(child, 'spawn')
    await expect(requestSnapshot(child.pid!)).rejects.toThrow(
      `process pid=${child.pid} belongs to another user (uid=1234, you are uid=0): only its own user can ask it`,
    )
    child.kill('SIGKILL')
    await once(child, 'close')
  })

  test('which argument is wrong', async () => {
    const bad = requestSnapshot as (...args: unknown[]) => Promise<unknown>
    await expect(bad('1')).rejects.toThrow('requestSnapshot: pid=1 is not the number of a process')
    await expect(bad(0)).rejects.toThrow('pid=0 is not the number')
    await expect(bad(1, null)).rejects.toThrow('options=null, expected { reason, timeoutMs }')
    await expect(bad(1, { reason: 1 })).rejects.toThrow('reason=1 is not a string')
    await expect(bad(1, { timeoutMs: 0 })).rejects.toThrow('timeoutMs=0 is not a number from 1 to 3600000')
  })
})

test('what processes left that are gone is removed, and nothing else', () => {
  const folder = PrivateFolder.make(registry)
  const [, , namespace] = registrationName(1, 1).split('.')
  const gone = folder.makeFolder(`4194300.1.${namespace}.7.1`)
  gone.write(`request-${'0'.repeat(16)}`, '')
  gone.write(`answer-${'0'.repeat(16)}`, '')
  const reused = folder.makeFolder(`${process.pid}.1.${namespace}.7.1`)
  const elsewhere = folder.makeFolder('4194300.1.1.7.1')
  const notOurs = folder.makeFolder('notes')
  const withMore = folder.makeFolder(`4194300.2.${namespace}.7.1`)
  writeFileSync(join(withMore.path, 'mine'), '')
  const door = new Door({ folders: [registry], name: registrationName(7, 1) }, nodeMachine, () => '')
  expect([gone, reused].map(({ path }) => existsSync(path))).toEqual([false, false])
  expect([elsewhere, notOurs, withMore].map(({ path }) => existsSync(path))).toEqual([true, true, true])
  door.close()
})
