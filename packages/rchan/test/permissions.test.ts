import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { freshFolder, readTrace, run, summaryOf, type Ended } from './scenario.ts'

/** Before Node 22.13 the model was an experiment. */
const MODEL = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'
const READ_ALL = '--allow-fs-read=*'
const WORKER = '--allow-worker'

async function record(flags: readonly string[], folder: string, option = 'path'): Promise<Ended> {
  return await run('permissions.mjs', [option, folder], [MODEL, ...flags])
}

async function refusal(flags: readonly string[], folder: string, option?: string): Promise<string> {
  const { status, stderr } = await record(flags, folder, option)
  expect(status, stderr).toBe(1)
  expect(existsSync(folder)).toBe(false)
  const said = /^Error: (can't record into .*)/m.exec(stderr)?.[1]
  if (said === undefined) throw new Error(stderr)
  return said
}

test('where threads are forbidden, the error says so and names the flag, and does not blame the folder', async () => {
  const folder = join(realpathSync(freshFolder()), 'trace')
  expect(await refusal([READ_ALL, `--allow-fs-write=${folder}/*`], folder)).toBe(
    `can't record into ${folder}: Node's permission model, which is on in this process, forbids starting the thread ` +
      `that writes the files: add --allow-worker to the flags of node`,
  )
})

test('where the folder is forbidden, the error names the folder that is to be made first, and its flag', async () => {
  const parent = realpathSync(freshFolder())
  const folder = join(parent, 'a', 'trace')
  for (const [flags, option] of [
    [[], 'path'],
    [[], 'dir'],
    // Permission for the folder alone is not enough to make its parent, or the files in it.
    [[`--allow-fs-write=${folder}/*`], 'path'],
    [[`--allow-fs-write=${join(parent, 'a')}`], 'path'],
  ] as const) {
    expect(await refusal([READ_ALL, WORKER, ...flags], folder, option)).toMatch(
      `forbids writing to ${parent}/a: add "--allow-fs-write=${parent}/a/*" to the flags of node`,
    )
  }
})

test('all that is forbidden is said at once', async () => {
  const folder = join(realpathSync(freshFolder()), 'trace')
  expect(await refusal([READ_ALL], folder)).toMatch(
    `files, and writing to ${folder}: add --allow-worker "--allow-fs-write=${folder}/*" to the flags of node`,
  )
})

/** The permissions that this process needs to load its modules, and no others. */
function readOwnModules(): string[] {
  const root = fileURLToPath(new URL('../../../', import.meta.url))
  const flags = [`--allow-fs-read=${root}*`]
  // Node looks for the kind of a module in each folder above it.
  for (let at = dirname(root); ; at = dirname(at)) {
    flags.push(`--allow-fs-read=${join(at, 'package.json')}`)
    if (at === dirname(at)) return flags
  }
}

test('a folder that can not be read, or whose parent can not, is refused and not looked for for ever', async () => {
  const parent = realpathSync(freshFolder())
  const folder = join(parent, 'trace')
  const flags = [WORKER, ...readOwnModules(), `--allow-fs-write=${folder}/*`]
  expect(await refusal(flags, folder)).toMatch(
    `forbids reading ${folder}: add "--allow-fs-read=${folder}/*" to the flags of node`,
  )
  expect(await refusal([...flags, `--allow-fs-read=${folder}/*`], folder)).toMatch(
    `forbids reading ${parent}: add "--allow-fs-read=${parent}/*" to the flags of node`,
  )
})

test('with the flags that the errors name it records, and frees places, also where /proc can not be read', async () => {
  const parent = realpathSync(freshFolder())
  const folder = join(parent, 'trace')
  const narrow = [WORKER, ...readOwnModules(), `--allow-fs-read=${parent}/*`, `--allow-fs-write=${folder}/*`]
  const wide = [WORKER, READ_ALL, `--allow-fs-write=${parent}/more/*`]
  for (const [flags, path, option] of [
    [narrow, folder, 'path'],
    [wide, join(parent, 'more'), 'dir'],
  ] as const) {
    const summary = summaryOf(await record(flags, path, option))
    expect(summary).toMatchObject({ events: 4, discarded: 0, unwritten: 0 })
    expect(summary.error).toBeUndefined()
    expect(readTrace(summary.path).records).toHaveLength(4)
  }
})
