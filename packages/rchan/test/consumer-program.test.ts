/** The thread that writes the files: its program, and the conditions under which it starts. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { consumerSource } from '../../trace/dist/consumer-source.js'
import { bundles } from '../../../scripts/bundles.mjs'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { fixture, freshFolder, readTrace, run, runCommand } from './scenario.ts'

const major = Number(process.versions.node.split('.')[0])

test('what was bundled is what was built', async () => {
  for (const { path, text } of await bundles()) expect(readFileSync(path, 'utf8') === text, path).toBe(true)
})

test('its program needs nothing but Node', () => {
  const needed = [...consumerSource.matchAll(/\brequire\(([^)]*)\)|\bimport\s*[(.].*/g)]
  const names = needed.map(([whole, name = whole]) => name.replaceAll('"', ''))
  expect(
    names.filter((name) => !name.startsWith('node:') || !builtinModules.includes(name.slice(5))),
  ).toEqual([])
  expect(names.length).toBeGreaterThan(0)
})

test('it records where a preload is the only one who finds packages', async () => {
  const folder = freshFolder()
  const home = join(folder, 'store')
  const from = fileURLToPath(new URL('..', import.meta.url))
  mkdirSync(home)
  // The published file.
  for (const part of ['dist', 'package.json']) cpSync(join(from, part), join(home, part), { recursive: true })
  const { exports } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { exports: unknown }
  const store = { rchan: { url: `${pathToFileURL(home).href}/`, exports } }
  const program = join(folder, 'one-event.mjs')
  cpSync(fixture('one-event.mjs'), program)
  const preload = `--import=${pathToFileURL(fixture('resolver.mjs')).href}`
  const ended = await runCommand(process.execPath, [program, join(folder, 'trace')], {
    NODE_OPTIONS: preload,
    RCHAN_TEST_STORE: JSON.stringify(store),
  })
  expect(ended.stdout, ended.stderr).toBe('1 of 1\n')
  expect(readTrace(join(folder, 'trace')).records.length).toBe(1)
  // Without it nothing is found, so that the test tests something.
  expect((await runCommand(process.execPath, [program, join(folder, 'none')])).stderr).toContain('rchan')
})

test('it records in a program that is bundled, rchan and all, in a folder without packages', async () => {
  const folder = freshFolder()
  const outfile = join(folder, 'bundled.mjs')
  await build({
    entryPoints: [fixture('one-event.mjs')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
  })
  const ended = await runCommand(process.execPath, [outfile, join(folder, 'trace')])
  expect(ended.stdout, ended.stderr).toBe('1 of 1\n')
})

for (const [what, flags, least] of [
  ['no code is made from strings', ['--disallow-code-generation-from-strings'], 20],
  ['what is evaluated is a module unless told', ['--experimental-default-type=module'], 20],
  [
    'permissions are asked for',
    ['--permission', '--allow-worker', '--allow-fs-read=*', '--allow-fs-write=*'],
    22,
  ],
  ['built-ins are frozen', ['--frozen-intrinsics', '--no-warnings'], 20],
  ['prototypes are shut', ['--disable-proto=throw'], 20],
] as const) {
  test(`it records where ${what}`, async (context) => {
    if (major < least || (what.startsWith('what is evaluated') && major > 22)) context.skip()
    const folder = join(freshFolder(), 'trace')
    const ended = await run('one-event.mjs', [folder], flags)
    expect(ended.stdout, ended.stderr).toBe('1 of 1\n')
  })
}

test('it runs no preload of the program, and one that fails in workers does no harm', async () => {
  const folder = freshFolder()
  const preload = join(folder, 'preload.cjs')
  writeFileSync(preload, `if (!require('node:worker_threads').isMainThread) throw new Error('no workers')`)
  const ended = await runCommand(process.execPath, [fixture('one-event.mjs'), join(folder, 'trace')], {
    NODE_OPTIONS: `--require "${preload}"`,
  })
  expect(ended.stdout, ended.stderr).toBe('1 of 1\n')
})
