import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { VERSION } from '@rchan/trace/recording'
import { describe, expect, test } from 'vitest'

const PACKAGES = fileURLToPath(new URL('../packages', import.meta.url))

/** What each package may import. There are no other arrows; ARCHITECTURE.md draws them. */
const ARROWS: Record<string, readonly string[]> = {
  ring: [],
  threads: [],
  sync: [],
  relay: ['ring', 'sync'],
  'relay-node': ['relay', 'threads'],
  runtime: ['ring', 'sync', 'threads'],
  ctf: [],
  trace: ['runtime', 'ctf'],
  rchan: ['ring', 'threads', 'sync', 'relay', 'relay-node', 'runtime', 'trace', 'ctf'],
}
/** Packages that know nothing of Node. */
const WITHOUT_NODE = ['ring', 'sync', 'relay']

function sources(name: string): string[] {
  const folder = join(PACKAGES, name, 'src')
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
}

function importsOf(name: string): string[] {
  const found = sources(name).flatMap((text) => [
    ...text.matchAll(/(?:\bfrom|\bimport|\brequire\()\s*\(?['"]([^'"\n]+)['"]/g),
  ])
  return [...new Set(found.map((match) => match[1]))].filter((target) => !target.startsWith('.'))
}

interface PackageFile {
  readonly dependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
  readonly private?: true
  readonly version: string
}

function packageFile(name: string): PackageFile {
  return JSON.parse(readFileSync(join(PACKAGES, name, 'package.json'), 'utf8')) as PackageFile
}

test('every package has its arrows written down', () => {
  expect(readdirSync(PACKAGES).sort()).toEqual(Object.keys(ARROWS).sort())
})

describe.each(Object.entries(ARROWS))('%s', (name, allowed) => {
  test(`imports ${allowed.length === 0 ? 'no other package' : `only ${allowed.join(', ')}`}, Node and itself`, () => {
    const targets = importsOf(name)
    const strangers = targets.filter((target) => {
      if (target.startsWith('node:')) return WITHOUT_NODE.includes(name)
      const [scope, ours] = target.split('/')
      return scope !== '@rchan' || (ours !== name && !allowed.includes(ours))
    })
    expect(strangers).toEqual([])
    expect(targets.filter((target) => builtinModules.includes(target))).toEqual([])
  })

  test('depends on what it imports, at the version of all, and on nothing else', () => {
    const file = packageFile(name)
    const { version } = file
    // What rchan publishes holds the other packages, so that whoever installs it needs none of them.
    expect(file.private).toBe(name === 'rchan' ? undefined : true)
    if (name === 'rchan') expect(file.dependencies).toBeUndefined()
    const { dependencies = {} } = name === 'rchan' ? { dependencies: file.devDependencies } : file
    const imported = importsOf(name).flatMap((target) => {
      const [scope, ours] = target.split('/')
      return scope === '@rchan' && ours !== name ? [`@rchan/${ours}`] : []
    })
    expect(Object.keys(dependencies).sort()).toEqual([...new Set(imported)].sort())
    for (const wanted of Object.values(dependencies)) expect(wanted).toBe(version)
    expect(version).toBe(packageFile('rchan').version)
    expect(version).toBe(VERSION)
  })

  test('has no top-level await in what is exported, so that CommonJS can require it', () => {
    // The consumer thread's own file is started as a thread, never imported.
    const files = readdirSync(join(PACKAGES, name, 'src'), { encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && file !== 'consumer-thread.ts')
      .filter((file) =>
        /^(?:export const \w+ = )?await\b/m.test(readFileSync(join(PACKAGES, name, 'src', file), 'utf8')),
      )
    expect(files).toEqual([])
  })
})
