/**
 * The README and docs/ are true. Their programs run in an empty folder, as a user would make it,
 * with the package as it would be published. Their commands and links exist. The picture is from
 * the demo.
 *
 * rchan has no dependency, so npm needs no registry. Other packages of the README are linked to
 * ours.
 */
import { execFileSync, execSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FINDING_IDS, summarize, summaryText } from '@rchan/analysis'
import { FIELD_TYPE_NAMES } from '@rchan/ctf'
import { openTrace } from '@rchan/ctf/reader'
import { FORMATS, toPerfetto, toSvg } from '@rchan/export'
import { needReader, runReader } from './readers.js'
import { anchorsOf, blocksOf, programsOf, readPage, readPages, ROOT, sectionOf } from './pages.js'

const sandbox = mkdtempSync(join(tmpdir(), 'rchan-readme-'))
const archives = join(sandbox, 'archives')
afterAll(() => rmSync(sandbox, { recursive: true, force: true }))

/** The trace that the README and the pages show. */
const shown = openTrace(join(ROOT, 'docs/pool-trace'))
const readme = readPage('README.md')
const pages = readPages()

/** Ours is the node that runs the tests; npm is not told that it was started by another one. */
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
  PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
}

function run(command: string, cwd: string): string {
  return execSync(command, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 240_000,
  })
}

/**
 * Runs a line of a page's `sh` block: installs our packages from the archives, and
 * links the rest.
 */
function runLine(line: string, cwd: string): string {
  return line
    .replace(/#.*/, '')
    .split('&&')
    .map((command) => {
      const names = /^\s*npm install((?: [\w@/.-]+)+)\s*$/.exec(command)?.[1].trim().split(' ')
      if (names === undefined) return run(command, cwd)
      expect(names).toContain('rchan')
      const files = readdirSync(archives).map((name) => `"${join(archives, name)}"`)
      run(`npm install --offline --no-audit --no-fund ${files.join(' ')}`, cwd)
      for (const name of names.filter((other) => other !== 'rchan')) {
        symlinkSync(join(ROOT, 'node_modules', name), join(cwd, 'node_modules', name), 'junction')
      }
      return ''
    })
    .join('')
}

function linesOf(code: string): string[] {
  return code.trimEnd().split('\n')
}

beforeAll(() => {
  mkdirSync(archives)
  run(`npm pack --pack-destination "${archives}" ./packages/rchan`, ROOT)
  expect(readdirSync(archives)).toHaveLength(1)
})

describe('the README', () => {
  const section = sectionOf(readme, 'Trace your own pool')
  const blocks = blocksOf(section)
  const named = blocks.flatMap(({ language, code }) => {
    const name = language === 'js' ? /^\/\/ (\S+)\n/.exec(code)?.[1] : undefined
    return name === undefined ? [] : [{ name, code }]
  })

  test('its program, pasted into an empty folder, makes a trace that its commands read', () => {
    const folder = join(sandbox, 'pool')
    mkdirSync(folder)
    expect(named.map(({ name }) => name)).toEqual(['worker.mjs', 'main.mjs'])
    for (const { name, code } of named) writeFileSync(join(folder, name), code)
    const commands = linesOf(blocks.findLast(({ language }) => language === 'sh')!.code)
    const [, recorded, summary] = commands.map((command) => runLine(command, folder))
    const [trace] = readdirSync(join(folder, 'traces'))
    expect(recorded).toContain(trace)
    expect(recorded).toContain('5 events of 2 CPUs')
    expect(summary).toMatch(/^pool:task {3}span {6}5 /m)
    expect(readFileSync(join(folder, 'pool.svg'), 'utf8')).toContain('>pool:task<')
  })

  test('its first commands record a program of piscina that knows nothing of rchan', () => {
    const folder = join(sandbox, 'as it is')
    mkdirSync(folder)
    const app = `
      const { Piscina } = require('piscina')
      const pool = new Piscina({ filename: require.resolve('./task.js'), maxThreads: 1 })
      Promise.all([1, 2, 3].map((n) => pool.run(n))).then((results) => {
        console.log(results.join())
        return pool.destroy()
      })`
    writeFileSync(join(folder, 'app.js'), app)
    writeFileSync(join(folder, 'task.js'), 'module.exports = (n) => n * n')
    const { code } = blocksOf(sectionOf(readme, 'Record a program as it is'))[0]
    const [install, record] = linesOf(code)
    runLine(install, folder)
    symlinkSync(join(ROOT, 'node_modules/piscina'), join(folder, 'node_modules/piscina'), 'junction')
    expect(runLine(record, folder)).toBe('1,4,9\n')
    const recording = readdirSync(folder).find((name) => name.startsWith('rchan-'))!
    const page = readFileSync(join(folder, recording, 'report.html'), 'utf8')
    // Not the page itself: it is long.
    expect(['app.js</h1>', 'piscina-1', 'task.js'].filter((text) => !page.includes(text))).toEqual([])
  })

  test('a pool is traced in less than 15 lines', () => {
    const lines = named.flatMap(({ code }) => linesOf(code).filter((line) => !line.startsWith('//')))
    expect(lines.length).toBeLessThan(15)
  })

  test('two commands, the demo and the tests, do all the set-up', () => {
    const { code } = blocksOf(sectionOf(readme, 'Try it'))[0]
    expect(linesOf(code).map((line) => line.replace(/ +#.*/, ''))).toEqual([
      'npm ci && npm run demo',
      'npm ci && npm test',
    ])
  })

  test('the picture is one of the demo, and the README says what it shows', () => {
    const picture = JSON.parse(readFileSync(join(ROOT, 'docs/report-picture.json'), 'utf8')) as {
      readonly title: string
      readonly findings: readonly string[]
      readonly threads: number
    }
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>
    }
    expect(scripts.demo.endsWith(`-- ${picture.title}`)).toBe(true)
    expect(picture.threads).toBe(8)
    expect(readme.text).toContain('the main thread and seven worker threads')
    const said = picture.findings.join('\n')
    expect(said).toMatch(/its 4 threads on 2 CPUs/)
    expect(said).toContain('short tasks waited behind long ones')
    expect(readme.text).toContain('and four threads share two CPUs')
    for (const theme of ['light', 'dark']) {
      const [width, height] = sizeOfPng(readFileSync(join(ROOT, `docs/report-${theme}.png`)))
      expect(width).toBe(1280)
      expect(height).toBeGreaterThan(600)
    }
  })
})

/** Width and height, as its first chunk has them. */
function sizeOfPng(bytes: Buffer): [number, number] {
  expect(bytes.toString('latin1', 1, 4)).toBe('PNG')
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)]
}

describe('one span in three forms', () => {
  const formats = pages.find(({ path }) => path.endsWith('formats.md'))!
  const [line, packets] = blocksOf(sectionOf(formats, 'One span in three forms')).map(({ code }) => code)

  test('the summary in the README is that of the trace in docs/pool-trace', () => {
    const text = summaryText(summarize(shown)).replaceAll(/ +$/gm, '')
    expect(readme.text.replaceAll(/ +$/gm, '')).toContain(text)
  })

  test('the picture is that of this trace', () => {
    expect([...toSvg(shown)].join('')).toBe(readFileSync(join(ROOT, 'docs/pool.svg'), 'utf8'))
  })

  test('babeltrace2 prints the line', (context) => {
    needReader(context, 'babeltrace2')
    const { stdout } = runReader('babeltrace2', [join(ROOT, 'docs/pool-trace')])
    expect(stdout).toContain(line)
    expect(readme.text).toContain(line)
  })

  test('protoc prints the packets', (context) => {
    needReader(context, 'protoc')
    const file = join(sandbox, 'trace.pftrace')
    writeFileSync(file, Buffer.concat([...toPerfetto(shown)]))
    const folder = join(ROOT, 'packages/export/test')
    const args = ['--decode=Trace', '-I', folder, 'perfetto.proto']
    const { stdout, status } = runReader('protoc', args, readFileSync(file))
    expect(status).toBe(0)
    expect(stdout).toContain(packets)
    for (const time of readme.text.matchAll(/^packet \{ timestamp: (\d+)/gm))
      expect(packets).toContain(time[1])
  })
})

describe('the pages of docs/', () => {
  const folder = join(sandbox, 'docs')
  beforeAll(() => {
    mkdirSync(folder)
    for (const line of ['npm init -y', 'npm install rchan']) runLine(line, folder)
  })

  test.each(pages.flatMap(programsOf).map((program, index) => ({ ...program, index })))(
    'program $index, of $path, prints in an empty folder what the page says',
    ({ code, prints, index }) => {
      const file = join(folder, `program-${index}.mjs`)
      writeFileSync(file, code)
      const cwd = join(folder, `folder-${index}`)
      mkdirSync(cwd)
      expect(execFileSync(process.execPath, [file], { cwd, encoding: 'utf8', timeout: 240_000 })).toBe(prints)
    },
  )

  test('relay on its own is among these programs', () => {
    expect(pages.flatMap(programsOf).filter(({ path }) => path.endsWith('relay.md')).length).toBeGreaterThan(
      1,
    )
  })
})

test('each entry of rchan has a program in a page; what is no import has a command', () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'packages/rchan/package.json'), 'utf8')) as {
    exports: Record<string, unknown>
  }
  const imported = pages
    .flatMap(programsOf)
    .flatMap(({ code }) =>
      [...code.matchAll(/from 'rchan(\/[\w/]+)?'/g)].map(([, subpath]) => `.${subpath ?? ''}`),
    )
  const missing = Object.keys(exports).filter((entry) => !imported.includes(entry))
  expect(missing).toEqual(['./auto', './package.json'])
})

test('each page of docs/ is reached from the README, itself or by one that it leads to', () => {
  const linksOf = (path: string): string[] =>
    [...readPage(path).text.matchAll(/\]\(([^)\s#]+\.md)[^)]*\)/g)].map(([, link]) =>
      join(dirname(path), link),
    )
  const near = linksOf('README.md')
  const reached = new Set([...near, ...near.filter((path) => path.startsWith('docs')).flatMap(linksOf)])
  expect(pages.map(({ path }) => path).filter((path) => path !== 'README.md' && !reached.has(path))).toEqual(
    [],
  )
})

test('each finding, format and type of fields stands on its page', () => {
  const lines = (page: string): string[] => readPage(`docs/${page}.md`).text.split('\n')
  const rows = lines('findings').filter((line) => line.startsWith('| `'))
  expect(FINDING_IDS.filter((id) => !rows.some((row) => row.startsWith(`| \`${id}\` `)))).toEqual([])
  const titles = lines('formats').filter((line) => line.startsWith('## '))
  const extensions = Object.values(FORMATS).map(({ extension }) => extension)
  expect(extensions.filter((each) => !titles.some((title) => title.endsWith(`(\`${each}\`)`)))).toEqual([])
  const types = lines('types')
    .filter((line) => line.startsWith('| '))
    .join('\n')
  expect(
    FIELD_TYPE_NAMES.filter((name) => !types.includes(`'${name}'`) && !types.includes(`\`${name}\``)),
  ).toEqual([])
})

describe('what the pages name', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }

  test.each(pages)('the links of $path lead somewhere', ({ path, text }) => {
    const missing = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link]) => link)
      .filter((link) => !/^https?:/.test(link))
      .filter((link) => {
        const [target, anchor] = link.split('#')
        const file = target === '' ? join(ROOT, path) : join(ROOT, dirname(path), target)
        if (!existsSync(file)) return true
        return anchor !== undefined && !anchorsOf(readFileSync(file, 'utf8')).includes(anchor)
      })
    expect(missing).toEqual([])
  })

  test.each(pages)('the commands of $path exist', ({ text }) => {
    const named = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  test.each(pages)('every subpath of rchan that $path imports is exported', ({ text }) => {
    const { exports } = JSON.parse(readFileSync(join(ROOT, 'packages/rchan/package.json'), 'utf8')) as {
      exports: Record<string, unknown>
    }
    const imported = [...text.matchAll(/from 'rchan(\/[\w/]+)?'/g)].map(([, subpath]) => `.${subpath ?? ''}`)
    expect(imported.filter((subpath) => !(subpath in exports))).toEqual([])
  })
})
