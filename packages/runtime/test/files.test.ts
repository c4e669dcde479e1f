import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { RelayFile } from '@rchan/runtime/files'
import { freshFolder, fsError, replaceFs } from './faults.ts'

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

test('a relay file is for its owner alone, whatever the umask', () => {
  const path = join(freshFolder(), 'cpu_0')
  const umask = process.umask(0)
  try {
    new RelayFile(path).close()
  } finally {
    process.umask(umask)
  }
  if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('a relay file never takes over a file that is there', () => {
  const path = join(freshFolder(), 'cpu_0')
  writeFileSync(path, 'mine')
  expect(() => new RelayFile(path)).toThrow(/EEXIST/)
  expect(readFileSync(path, 'utf8')).toBe('mine')
  chmodSync(path, 0o600)
})

test('pieces follow one another, empty ones leave nothing, shared memory is taken as it stands', () => {
  const path = join(freshFolder(), 'cpu_0')
  const file = new RelayFile(path)
  const shared = new Uint8Array(new SharedArrayBuffer(8)).fill(7)
  file.append([bytes(3, 1), bytes(0, 0), shared.subarray(2, 5)])
  file.append([])
  file.append([bytes(1, 9)])
  expect(file.bytes).toBe(7)
  file.close()
  expect([...readFileSync(path)]).toEqual([1, 1, 1, 7, 7, 7, 9])
})

test('a write that takes only some bytes is continued, over the borders of pieces', () => {
  const path = join(freshFolder(), 'cpu_0')
  const file = new RelayFile(path)
  replaceFs('writevSync', (real) => (fd: number, pieces: Uint8Array[], at: number) => {
    return real(fd, [pieces[0].subarray(0, 3)], at)
  })
  file.append([bytes(4, 1), bytes(3, 2), bytes(1, 3)])
  file.close()
  expect([...readFileSync(path)]).toEqual([1, 1, 1, 1, 2, 2, 2, 3])
})

/** Writes `some` bytes of the next append, then fails. */
function failAfter(some: number): () => void {
  let left = some
  return replaceFs('writevSync', (real) => (fd: number, pieces: Uint8Array[], at: number) => {
    if (left === 0) throw fsError('ENOSPC')
    const part = pieces[0].subarray(0, left)
    left -= part.length
    return real(fd, [part], at)
  })
}

test('what was written in part is cut off at once', () => {
  const path = join(freshFolder(), 'cpu_0')
  const file = new RelayFile(path)
  file.append([bytes(10, 1)])
  const restore = failAfter(5)
  expect(() => file.append([bytes(100, 2)])).toThrow(/ENOSPC/)
  restore()
  expect(statSync(path).size).toBe(10)
  expect(file.bytes).toBe(10)
  file.append([bytes(2, 3)])
  file.close()
  expect([...readFileSync(path)]).toEqual([...bytes(10, 1), 3, 3])
})

test('what could not be cut off at once is cut off before the next packet, however short that is', () => {
  const path = join(freshFolder(), 'cpu_0')
  const file = new RelayFile(path)
  file.append([bytes(10, 1)])
  const restoreWrite = failAfter(50)
  const restoreCut = replaceFs('ftruncateSync', () => () => {
    throw fsError('EIO')
  })
  expect(() => file.append([bytes(100, 2)])).toThrow(/ENOSPC/)
  restoreWrite()
  // As long as it can't be cut, nothing is put before it.
  expect(() => file.append([bytes(2, 3)])).toThrow(/EIO/)
  expect(file.bytes).toBe(10)
  restoreCut()
  file.append([bytes(2, 3)])
  expect(statSync(path).size).toBe(12)
  file.close()
  expect([...readFileSync(path)]).toEqual([...bytes(10, 1), 3, 3])
})

test('what could not be cut off at all is cut off when the file is closed', () => {
  const path = join(freshFolder(), 'cpu_0')
  const file = new RelayFile(path)
  const restoreWrite = failAfter(50)
  const restoreCut = replaceFs('ftruncateSync', () => () => {
    throw fsError('EIO')
  })
  expect(() => file.append([bytes(100, 2)])).toThrow(/ENOSPC/)
  restoreWrite()
  restoreCut()
  file.close()
  expect(statSync(path).size).toBe(0)
})

test.skipIf(process.platform === 'win32')(
  'a file that was removed under us is reported when it is closed',
  () => {
    const path = join(freshFolder(), 'cpu_0')
    const file = new RelayFile(path)
    file.append([bytes(4, 1)])
    rmSync(path)
    file.append([bytes(4, 1)])
    expect(file.close()).toBe(false)
  },
)

test('a write that takes nothing and reports no error ends in an error, not in an endless loop', () => {
  const file = new RelayFile(join(freshFolder(), 'cpu_0'))
  let calls = 0
  replaceFs('writevSync', () => () => {
    calls += 1
    if (calls > 10) throw fsError('ELOOP')
    return 0
  })
  expect(() => file.append([bytes(4, 1)])).toThrow(/no bytes/)
  file.close()
})

test.skipIf(process.platform === 'win32')(
  'at the limit of a file’s size every packet is whole or not there',
  () => {
    const path = join(freshFolder(), 'cpu_0')
    const fixture = fileURLToPath(new URL('./fixtures/limited-file.mjs', import.meta.url))
    // 80 or 160 KB, in the units of the shell.
    const script = 'ulimit -f 160; exec "$0" "$@"'
    const ran = spawnSync('sh', ['-c', script, process.execPath, fixture, path], { encoding: 'utf8' })
    expect(ran.stderr).toBe('')
    const result = JSON.parse(ran.stdout) as { whole: number; errors: string[] }
    expect(result.errors.length).toBeGreaterThan(0)
    expect(new Set(result.errors)).toEqual(new Set(['EFBIG']))
    expect(result.whole).toBeGreaterThan(1)
  },
)
