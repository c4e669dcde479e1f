import fs from 'node:fs'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startRecording } from '@rchan/trace'
import { freshFolder, namesIn, opened } from './process.ts'

/** Plays another process: does something just before or after the first folder is made by us. */
function atFirstMkdir(before: (path: string) => void, after: (path: string) => void): void {
  const real = fs.mkdirSync
  const restore = (): void => {
    fs.mkdirSync = real
    syncBuiltinESMExports()
  }
  fs.mkdirSync = ((path: string, options: fs.MakeDirectoryOptions) => {
    restore()
    before(path)
    const made = real(path, options)
    after(path)
    return made
  }) as typeof fs.mkdirSync
  syncBuiltinESMExports()
  onTestFinished(restore)
}

const putTrace = (path: string): void => {
  mkdirSync(join(path, 'other'), { recursive: true })
  writeFileSync(join(path, 'other', 'metadata'), 'of another process')
}

test('a folder that another process makes at the same moment is shared with it', async () => {
  const folder = join(freshFolder(), 'new')
  atFirstMkdir(putTrace, () => undefined)
  const recording = await startRecording({ path: join(folder, 'ours') })
  opened(await recording.stop())
  expect(namesIn(folder)).toEqual(['other', 'ours'])
  expect(namesIn(folder, 'other')).toEqual(['metadata'])
})

test('a start that fails takes back the folders that it made, but none that others use by now', async () => {
  const folder = freshFolder()
  const recording = await startRecording({ path: join(folder, 'first') })
  await expect(startRecording({ path: join(folder, 'a', 'b', 'ours') })).rejects.toThrow(/runs already/)
  expect(namesIn(folder)).toEqual(['first'])
  const place = join(folder, 'a', 'b')
  for (const options of [{ path: place }, { dir: place }]) {
    atFirstMkdir(() => undefined, putTrace)
    await expect(startRecording(options)).rejects.toThrow(/runs already/)
    expect(namesIn(folder, 'a')).toEqual(['other'])
    expect(existsSync(join(folder, 'a', 'other', 'metadata'))).toBe(true)
    fs.rmSync(join(folder, 'a'), { recursive: true })
  }
  await recording.stop()
})
