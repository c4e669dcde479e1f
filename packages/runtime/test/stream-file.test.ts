import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { closeSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OpenFolder } from '@rchan/runtime/folder'
import { StreamFile } from '@rchan/runtime/stream-file'
import { freshFolder, fsError, replaceFs } from './faults.ts'
import { filesOf, HEADER_BYTES, packet, packetsOf, streamOf } from './packets.ts'

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const values = (folder: string): number[] => streamOf(folder, 'cpu_0').map(({ value }) => value)

function make(folder = freshFolder()): { folder: string; open: OpenFolder; file: StreamFile } {
  const open = new OpenFolder(folder)
  return { folder, open, file: new StreamFile(open, 'cpu_0') }
}

describe('the files of a stream', () => {
  test.skipIf(process.platform === 'win32')('are for their owner alone, whatever the umask', () => {
    const { folder, file } = make()
    const umask = process.umask(0)
    try {
      file.append(packet(1, 1), 0)
    } finally {
      process.umask(umask)
    }
    expect(statSync(join(folder, 'cpu_0')).mode & 0o777).toBe(0o600)
  })

  test('never take over a file that is there, nor follow a link', () => {
    const { folder, file } = make()
    writeFileSync(join(folder, 'victim'), 'mine')
    symlinkSync(join(folder, 'victim'), join(folder, 'cpu_0'))
    expect(() => file.append(packet(1, 1), 0)).toThrow(/EEXIST/)
    expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('mine')
    expect(readdirSync(folder).sort()).toEqual(['cpu_0', 'victim'])
  })

  // ENOTSUP: most systems; EISDIR: exFAT on Windows; EACCES: Android.
  const noLinks = ['ENOTSUP', 'EISDIR', 'EACCES']
  test.each(noLinks)(
    'are made where no links can be (%s), too, and take nothing over there either',
    (code) => {
      const { folder, file } = make()
      replaceFs('linkSync', () => () => {
        throw fsError(code)
      })
      file.append(packet(1, 1, [bytes(8, 1)]), 1)
      file.end(packet(2, 2))
      expect(values(folder)).toEqual([1, 2])
      expect(readdirSync(folder)).toEqual(['cpu_0'])
      const second = new StreamFile(new OpenFolder(folder), 'cpu_0')
      expect(() => second.append(packet(1, 1), 0)).toThrow(/EEXIST/)
      expect(values(folder)).toEqual([1, 2])
    },
  )

  test('are not made before there is a packet', () => {
    const { folder, file } = make()
    expect(file.bytes).toBe(0)
    expect(file.close()).toEqual({ problem: undefined, lostEvents: 0 })
    expect(readdirSync(folder)).toEqual([])
  })

  test('hold pieces in their order, empty ones too, and shared memory as it stands', () => {
    const { folder, file } = make()
    const shared = new Uint8Array(new SharedArrayBuffer(16)).fill(7)
    file.append(packet(1, 5, [bytes(3, 1), bytes(0, 0), shared.subarray(2, 7)]), 1)
    file.end(packet(2, 6))
    expect(streamOf(folder, 'cpu_0').map(({ kind, value, content }) => [kind, value, ...content])).toEqual([
      [1, 5, 1, 1, 1, 7, 7, 7, 7, 7],
      [2, 6],
    ])
    expect(statSync(join(folder, 'cpu_0')).size).toBe(file.bytes)
    expect(file.bytes).toBe(2 * HEADER_BYTES + 8)
  })

  test('end with a whole packet before and after each write to the disk, whatever the sizes', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(sizes, (lengths) => {
        const { folder, open, file } = make()
        let written = 0
        const check = (): void => {
          // Forbidden: half a packet, or a packet other than the appended one.
          const found = streamOf(folder, 'cpu_0')
          expect(found.length).toBeGreaterThanOrEqual(written)
          for (const [i, { value, content }] of found.entries()) {
            expect(value).toBe(i)
            expect(content.length).toBe((lengths[i] ?? 0) * 8)
            expect(content.every((byte) => byte === i % 256)).toBe(true)
          }
        }
        const restore = [
          replaceFs('writevSync', (real) => (fd: number, pieces: Uint8Array[], at: number) => {
            check()
            // A kill can cut a write at a page boundary, and nowhere within a page: take the bytes
            // up to the next page.
            const left = 4096 - (at % 4096)
            const part = pieces[0].subarray(0, left)
            return real(fd, [part], at)
          }),
          replaceFs('ftruncateSync', (real) => (fd: number, length: number) => {
            check()
            // Short files, so that there are several.
            if (length > 2 ** 16) throw fsError('EFBIG')
            real(fd, length)
            check()
          }),
          replaceFs('linkSync', (real) => (from: string, to: string) => {
            check()
            real(from, to)
            check()
          }),
        ]
        for (const [i, length] of lengths.entries()) {
          file.append(packet(1, i, [bytes(length * 8, i % 256)]), 1)
          written += 1
          check()
        }
        file.end(packet(2, lengths.length))
        for (const each of restore) each()
        expect(values(folder)).toEqual([...lengths.keys(), lengths.length])
        expect(file.close()).toEqual({ problem: undefined, lostEvents: 0 })
        expect(filesOf(folder, 'cpu_0').reduce((sum, path) => sum + statSync(path).size, 0)).toBe(file.bytes)
        open.close()
        rmSync(folder, { recursive: true })
      }),
      { numRuns: 15 },
    )
  })

  test('go on in a further file when the room of one is used up', () => {
    const { folder, file } = make()
    for (let i = 0; i < 30; i += 1) file.append(packet(1, i, [bytes(2 ** 20, i)]), 1)
    expect(filesOf(folder, 'cpu_0').map((path) => path.slice(folder.length + 1))).toEqual([
      'cpu_0',
      'cpu_0_1',
      'cpu_0_2',
    ])
    // A full file is cut behind its last packet; each file has more room than the previous one.
    const counts = filesOf(folder, 'cpu_0').map((path) => packetsOf(path).length)
    expect(counts).toEqual([3, 14, 13])
    file.end(packet(2, 30))
    expect(values(folder)).toEqual(Array.from({ length: 31 }, (_, i) => i))
    expect(file.close()).toEqual({ problem: undefined, lostEvents: 0 })
  })

  test('can be ended, and go on in a further file all the same', () => {
    const { folder, file } = make()
    file.append(packet(1, 0, [bytes(8, 1)]), 1)
    file.end(packet(2, 1))
    const ended = file.bytes
    expect(statSync(join(folder, 'cpu_0')).size).toBe(ended)
    file.append(packet(1, 2, [bytes(8, 1)]), 1)
    file.end(packet(2, 3))
    file.end(packet(2, 4))
    expect(values(folder)).toEqual([0, 1, 2, 3, 4])
    expect(file.close()).toEqual({ problem: undefined, lostEvents: 0 })
  })

  test('hold a packet that is longer than the first file would be', () => {
    const { folder, file } = make()
    file.append(packet(1, 0, [bytes(2 ** 23, 3)]), 1)
    file.append(packet(1, 1, [bytes(8, 3)]), 1)
    file.end(packet(2, 2))
    expect(values(folder)).toEqual([0, 1, 2])
  })
})

/** Lets writes take `some` bytes more, then fails. */
function failAfter(some: number): () => void {
  let left = some
  return replaceFs('writevSync', (real) => (fd: number, pieces: Uint8Array[], at: number) => {
    if (left === 0) throw fsError('ENOSPC')
    const part = pieces[0].subarray(0, left)
    left -= part.length
    return real(fd, [part], at)
  })
}

describe('a disk that takes no more', () => {
  test('a write that takes only some bytes is continued, over the borders of pieces', () => {
    const { folder, file } = make()
    replaceFs('writevSync', (real) => (fd: number, pieces: Uint8Array[], at: number) => {
      return real(fd, [pieces[0].subarray(0, 3)], at)
    })
    file.append(packet(1, 0, [bytes(4, 1), bytes(3, 2), bytes(1, 3)]), 1)
    file.append(packet(1, 1, [bytes(4, 1), bytes(3, 2), bytes(1, 3)]), 1)
    file.end(packet(2, 2))
    expect(streamOf(folder, 'cpu_0').map(({ content }) => [...content])).toEqual([
      [1, 1, 1, 1, 2, 2, 2, 3],
      [1, 1, 1, 1, 2, 2, 2, 3],
      [],
    ])
  })

  test('has what it had when a packet was written in part, and takes the packet later', () => {
    const { folder, file } = make()
    file.append(packet(1, 0, [bytes(80, 1)]), 1)
    for (const some of [0, 5, 90, 112]) {
      const restore = failAfter(some)
      expect(() => file.append(packet(1, 1, [bytes(96, 2)]), 1)).toThrow(/ENOSPC/)
      restore()
      expect(values(folder)).toEqual([0])
    }
    file.append(packet(1, 1, [bytes(96, 2)]), 1)
    file.end(packet(2, 2))
    expect(streamOf(folder, 'cpu_0').map(({ content }) => content.length)).toEqual([80, 96, 0])
    expect(file.close()).toEqual({ problem: undefined, lostEvents: 0 })
  })

  test('leaves no draft of a file that could not be made, and the stream goes on when it can', () => {
    const { folder, file } = make()
    for (const name of ['writevSync', 'ftruncateSync', 'linkSync'] as const) {
      const restore = replaceFs(name, () => () => {
        throw fsError('ENOSPC')
      })
      expect(() => file.append(packet(1, 0), 0)).toThrow(/ENOSPC/)
      restore()
      expect(readdirSync(folder)).toEqual([])
    }
    file.append(packet(1, 0), 0)
    expect(values(folder)).toEqual([0])
  })

  test('leaves no draft and no descriptor where rights can not be given', () => {
    const { folder, file } = make()
    const opened: number[] = []
    const closed: number[] = []
    replaceFs('openSync', (real) => (...args: Parameters<typeof real>) => {
      const fd = real(...args)
      opened.push(fd)
      return fd
    })
    replaceFs('closeSync', (real) => (fd: number) => {
      closed.push(fd)
      real(fd)
    })
    replaceFs('fchmodSync', () => () => {
      throw fsError('EPERM')
    })
    const umask = process.umask(0o777)
    try {
      expect(() => file.append(packet(1, 0), 0)).toThrow(/EPERM/)
    } finally {
      process.umask(umask)
    }
    expect(readdirSync(folder)).toEqual([])
    expect([opened.length, closed]).toEqual([1, opened])
  })

  test('has the last packet, once, where a file can not be cut behind it', () => {
    const { folder, file } = make()
    file.append(packet(1, 0, [bytes(8, 1)]), 1)
    const restore = replaceFs('ftruncateSync', () => () => {
      throw fsError('EIO')
    })
    file.end(packet(2, 1))
    restore()
    expect([values(folder).slice(0, 2), file.isEnded]).toEqual([[0, 1], false])
    file.append(packet(1, 2, [bytes(8, 1)]), 1)
    file.end(packet(2, 3))
    expect(values(folder)).toEqual([0, 1, 2, 3])
    expect(file.close()).toEqual({ problem: undefined, lostEvents: 0 })
  })

  test('and says so only when a file is closed, costs that file, and what comes later is written once', () => {
    const { folder, file } = make()
    for (let i = 0; i < 3; i += 1) file.append(packet(1, i, [bytes(2 ** 20, i)]), 1)
    const restore = replaceFs('closeSync', (real) => (fd: number) => {
      real(fd)
      throw fsError('EDQUOT')
    })
    file.append(packet(1, 3, [bytes(2 ** 20, 3)]), 1)
    restore()
    file.append(packet(1, 4, [bytes(8, 4)]), 1)
    file.end(packet(2, 5))
    expect(values(folder)).toEqual([0, 1, 2, 3, 4, 5])
    const { problem, lostEvents } = file.close()
    expect(problem).toMatch(/cpu_0 could not be closed: EDQUOT/)
    expect(lostEvents).toBe(3)
  })

  test('has whole files when the next one could not be made', () => {
    const { folder, file } = make()
    for (let i = 0; i < 3; i += 1) file.append(packet(1, i, [bytes(2 ** 20, i)]), 1)
    const restore = replaceFs('linkSync', () => () => {
      throw fsError('EIO')
    })
    expect(() => file.append(packet(1, 3, [bytes(2 ** 20, 3)]), 1)).toThrow(/EIO/)
    expect(() => file.append(packet(1, 3, [bytes(8, 3)]), 1)).toThrow(/EIO/)
    restore()
    expect(values(folder)).toEqual([0, 1, 2])
    file.append(packet(1, 3, [bytes(8, 3)]), 1)
    expect(values(folder)).toEqual([0, 1, 2, 3])
  })

  test('a write that takes nothing and reports no error ends in an error, not in an endless loop', () => {
    const { file } = make()
    let calls = 0
    replaceFs('writevSync', () => () => {
      calls += 1
      if (calls > 10) throw fsError('ELOOP')
      return 0
    })
    expect(() => file.append(packet(1, 0), 0)).toThrow(/no bytes/)
  })

  test.skipIf(process.platform === 'win32')('at the limit of a file’s size it takes shorter files', () => {
    const folder = freshFolder()
    const fixture = fileURLToPath(new URL('./fixtures/limited-file.mjs', import.meta.url))
    // 80 or 160 KB, in the units of the shell.
    const script = 'ulimit -f 160; exec "$0" "$@"'
    const ran = spawnSync('sh', ['-c', script, process.execPath, fixture, folder], { encoding: 'utf8' })
    expect(ran.stderr).toBe('')
    const { whole, errors } = JSON.parse(ran.stdout) as { whole: number[]; errors: string[] }
    // A packet that fits no file is refused, and the packets after it are written.
    expect(errors).toEqual(['EFBIG'])
    expect(values(folder)).toEqual(whole)
    expect(whole).toEqual([0, 1, 3, 4, 5, 6])
  })
})

describe.skipIf(process.platform === 'win32')('what somebody else does to the files', () => {
  const full = (): ReturnType<typeof make> => {
    const made = make()
    for (let i = 0; i < 8; i += 1) made.file.append(packet(1, i, [bytes(2 ** 20, i)]), 2)
    return made
  }

  test('is said when one was removed', () => {
    const { folder, file } = full()
    rmSync(join(folder, 'cpu_0_1'))
    file.end(packet(2, 8))
    const { problem, lostEvents } = file.close()
    expect(problem).toMatch(/cpu_0_1 was removed/)
    expect(lostEvents).toBe(16 - 2 * packetsOf(join(folder, 'cpu_0')).length)
  })

  test('is said when one was cut, also if what came later made it long again', () => {
    for (const at of [0, 100]) {
      const { folder, file } = make()
      file.append(packet(1, 0, [bytes(8000, 1)]), 3)
      truncateSync(join(folder, 'cpu_0'), at)
      file.append(packet(1, 1, [bytes(8000, 1)]), 3)
      file.end(packet(2, 2))
      const { problem, lostEvents } = file.close()
      expect(problem).toMatch(/cpu_0 was changed/)
      expect(lostEvents).toBe(6)
    }
  })

  test('is said when one that is full was cut, or grew', () => {
    for (const change of [
      (path: string) => truncateSync(path, 10),
      (path: string) => writeFileSync(path, 'x', { flag: 'a' }),
    ]) {
      const { folder, file } = full()
      change(join(folder, 'cpu_0'))
      file.end(packet(2, 8))
      expect(file.close().problem).toMatch(
        /cpu_0 was changed while it was recorded into: it had \d+ bytes, not/,
      )
    }
  })

  test('is said when one was replaced', () => {
    const { folder, file } = full()
    const name = join(folder, 'cpu_0_1')
    const content = readFileSync(name)
    rmSync(name)
    writeFileSync(name, content)
    file.end(packet(2, 8))
    expect(file.close().problem).toMatch(/cpu_0_1 was replaced/)
  })

  test('to the folder is said, also when it was done while we opened it', () => {
    const parent = freshFolder()
    const folder = join(parent, 'trace')
    mkdirSync(folder)
    const restore = replaceFs('openSync', (real) => (...args: Parameters<typeof real>) => {
      const fd = real(...args)
      renameSync(folder, join(parent, 'moved'))
      mkdirSync(folder)
      return fd
    })
    const open = new OpenFolder(folder)
    restore()
    expect(open.problem()).toMatch(/trace was replaced by another/)
    open.close()
  })

  test('to a draft is said when it is to get its name', () => {
    const { folder, open } = make()
    const { fd, path } = open.draft('cpu_0')
    closeSync(fd)
    rmSync(path)
    expect(() => open.publish(path, 'cpu_0')).toThrow(
      /^files of the folder .* were removed or moved while it was recorded into \(ENOENT/,
    )
    const other = open.draft('cpu_0')
    closeSync(other.fd)
    rmSync(folder, { recursive: true })
    expect(() => open.publish(other.path, 'cpu_0')).toThrow(/^the folder .* was removed or moved .* \(ENOENT/)
    open.close()
  })

  test('to the folder: what is written goes to the one that was opened, and it is said', () => {
    const parent = freshFolder()
    const folder = join(parent, 'trace')
    mkdirSync(folder)
    const { open, file } = make(folder)
    file.append(packet(1, 0), 1)
    expect(open.problem()).toBeUndefined()
    renameSync(folder, join(parent, 'moved'))
    expect(open.problem()).toMatch(/trace was removed or moved/)
    mkdirSync(folder)
    file.append(packet(1, 1), 1)
    file.end(packet(2, 2))
    expect(open.problem()).toMatch(/trace was replaced by another/)
    if (process.platform === 'linux') {
      expect(readdirSync(folder)).toEqual([])
      expect(values(join(parent, 'moved'))).toEqual([0, 1, 2])
    }
  })
})
