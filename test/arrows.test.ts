import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { VERSION } from '@rchan/trace/recording'
import { describe, expect, test } from 'vitest'

const PACKAGES = fileURLToPath(new URL('../packages', import.meta.url))

/**
 * The packages that each package may import. There are no other arrows; ARCHITECTURE.md draws them.
 */
const ARROWS: Record<string, readonly string[]> = {
  ring: [],
  threads: [],
  sync: [],
  relay: ['ring', 'sync'],
  'relay-node': ['relay', 'threads'],
  runtime: ['ring', 'sync', 'threads'],
  ctf: [],
  trace: ['runtime', 'ctf'],
  analysis: ['ctf'],
  export: ['analysis', 'ctf'],
  report: ['analysis', 'ctf'],
  probes: ['trace'],
  // Types only: a test of the package holds that its file imports nothing.
  tracepoint: ['trace', 'ctf'],
  rchan: [
    'ring',
    'sync',
    'relay',
    'relay-node',
    'runtime',
    'trace',
    'ctf',
    'analysis',
    'export',
    'report',
    'probes',
  ],
}
/** Libraries by others, of packages that no tracing worker loads. They are bundled into rchan. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  export: ['pbf', 'd3-array'],
  report: ['d3-array', 'd3-scale', 'd3-shape'],
  rchan: ['commander'],
}
/** Packages that users install. */
const PUBLISHED = ['rchan', 'tracepoint']
/** Packages that know nothing of Node. */
const WITHOUT_NODE = ['ring', 'sync', 'relay']

/** `page` is what a browser runs of a package. */
function sourceFiles(name: string): string[] {
  const folders = ['src', 'page'].map((folder) => join(PACKAGES, name, folder)).filter(existsSync)
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  )
}

function sources(name: string): string[] {
  return sourceFiles(name).map((file) => readFileSync(file, 'utf8'))
}

/** The files that a file names by a relative import or re-export. A type counts as well. */
function neighboursOf(file: string, text: string): string[] {
  const found = text.matchAll(/(?:\bfrom|\bimport)\s*\(?['"](\.[^'"\n]+)['"]/g)
  return [...found].map((match) => join(dirname(file), match[1]).replace(/\.js$/, '.ts'))
}

test.each(Object.keys(ARROWS))(
  '%s does not import itself by its name: that would be a hidden circle',
  (name) => {
    // A module that is loaded later, by `import()`, is a separate bundle.
    const own = new RegExp(`\\bfrom '@rchan/${name}['/]`)
    expect(sources(name).filter((text) => own.test(text))).toEqual([])
  },
)

/**
 * The first circle of imports: `a → b → a`, sorted so that the answer is always the same.
 *
 * @param texts of the files, by path.
 */
function findCircle(texts: ReadonlyMap<string, string>): string[] | undefined {
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): string[] | undefined => {
    const at = path.indexOf(file)
    if (at >= 0) return [...path.slice(at), file]
    const text = texts.get(file)
    if (done.has(file) || text === undefined) return undefined
    for (const neighbour of neighboursOf(file, text)) {
      const circle = visit(neighbour, [...path, file])
      if (circle !== undefined) return circle
    }
    done.add(file)
    return undefined
  }
  for (const file of [...texts.keys()].sort()) {
    const circle = visit(file, [])
    if (circle !== undefined) return circle
  }
  return undefined
}

test.each([
  ['a type', "import type { B } from './b.js'"],
  ['a re-export', "export { b } from './b.js'"],
  ['a type within a line', "let b: import('./b.js').B"],
])('a circle is found that %s closes', (_, closing) => {
  const texts = new Map([
    ['/a.ts', closing],
    ['/b.ts', "import { c } from './c.js'"],
    ['/c.ts', "import { a } from './a.js'"],
    ['/d.ts', "import { a } from './a.js'"],
  ])
  expect(findCircle(texts)).toEqual(['/a.ts', '/b.ts', '/c.ts', '/a.ts'])
  texts.set('/a.ts', "import { e } from './e.js'")
  expect(findCircle(texts)).toBe(undefined)
})

function importsOf(name: string): string[] {
  const found = sources(name).flatMap((text) => [
    ...text.matchAll(/(?:\bfrom\s|\bimport|\brequire\()\s*\(?['"]([^'"\n]+)['"]/g),
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

function hasTopLevelAwait(text: string): boolean {
  return /^(?:(?:export )?(?:const|let) .* = )?await\b/m.test(text)
}

test('a top-level await is found', () => {
  expect(['await a()', 'export const b = await a()', 'const { b } = await a()'].every(hasTopLevelAwait)).toBe(
    true,
  )
  expect(hasTopLevelAwait('  await a()\n// await a()')).toBe(false)
})

test('every package has its arrows written down', () => {
  expect(readdirSync(PACKAGES).sort()).toEqual(Object.keys(ARROWS).sort())
})

describe.each(Object.entries(ARROWS))('%s', (name, allowed) => {
  test(`imports ${allowed.length === 0 ? 'no other package' : `only ${allowed.join(', ')}`}, Node and itself`, () => {
    const targets = importsOf(name)
    const strangers = targets.filter((target) => {
      if (target.startsWith('node:')) return WITHOUT_NODE.includes(name)
      const [scope, ours] = target.split('/')
      if (LIBRARIES[name]?.includes(scope)) return false
      return scope !== '@rchan' || (ours !== name && !allowed.includes(ours))
    })
    expect(strangers).toEqual([])
    expect(targets.filter((target) => builtinModules.includes(target))).toEqual([])
  })

  test('has no two files that import each other in a circle', () => {
    const texts = new Map(sourceFiles(name).map((file) => [file, readFileSync(file, 'utf8')]))
    const circle = findCircle(texts)?.map((file) => relative(join(PACKAGES, name, 'src'), file))
    expect(circle?.join(' → ')).toBe(undefined)
  })

  test('depends on what it imports, at the version of all, and on nothing else', () => {
    const file = packageFile(name)
    const { version } = file
    // What is published contains what it needs of the other packages, so users need none of them.
    const isPublished = PUBLISHED.includes(name)
    expect(file.private).toBe(isPublished ? undefined : true)
    if (isPublished) expect(file.dependencies).toBeUndefined()
    const { dependencies = {} } = isPublished ? { dependencies: file.devDependencies } : file
    const imported = importsOf(name).flatMap((target) => {
      const [scope, ours] = target.split('/')
      if (LIBRARIES[name]?.includes(scope)) return [scope]
      return scope === '@rchan' && ours !== name ? [`@rchan/${ours}`] : []
    })
    expect(Object.keys(dependencies).sort()).toEqual([...new Set(imported)].sort())
    for (const [library, wanted] of Object.entries(dependencies)) {
      if (library.startsWith('@rchan/')) expect(wanted).toBe(version)
      else expect(wanted).toMatch(/^\d+\.\d+\.\d+$/)
    }
    expect(version).toBe(packageFile('rchan').version)
    expect(version).toBe(VERSION)
  })

  test('has no top-level await in what is exported, so that CommonJS can require it', () => {
    // The consumer thread's own file is started as a thread, never imported.
    const files = sourceFiles(name)
      .filter((file) => !file.endsWith('/consumer-thread.ts'))
      .filter((file) => hasTopLevelAwait(readFileSync(file, 'utf8')))
    expect(files).toEqual([])
  })
})

test('ring names neither the kernel nor relay: what only they need is theirs', () => {
  const named = sources('ring').flatMap((text) =>
    [...text.matchAll(/.*\b(?:kernel|relay)\b.*/gi)].map(([line]) => line),
  )
  expect(named).toEqual([])
})
