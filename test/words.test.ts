/**
 * Comments and documents are no wider than a screen, and names that were given up do not come back.
 *
 * Code lines are the formatter's business. A picture, a table of words or an example in a comment
 * may be wider than its text: it can't be folded.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** Of a line that is nothing but comment; of a picture in it; of code with a comment behind it. */
const TEXT = 100
const PICTURE = 120
const TRAILING = 110
/** Of a row of a table in a document. */
const ROW = 120

const FOLDERS = ['packages', 'examples', 'bench', 'scripts', 'test', 'docs']
const NOT_OURS = /(^|\/)(node_modules|dist|coverage|vectors)(\/|$)/

function files(pattern: RegExp): string[] {
  const inFolders = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
  )
  return [...readdirSync(ROOT), ...inFolders].filter((file) => pattern.test(file) && !NOT_OURS.test(file))
}

/** The lines of a file that are too wide, as `file:line: width`. */
function wide(file: string, most: (line: string) => number): string[] {
  return readFileSync(join(ROOT, file), 'utf8')
    .split('\n')
    .flatMap((line, i) => {
      const columns = Array.from(line).length
      return columns > most(line) ? [`${file}:${i + 1}: ${columns} columns`] : []
    })
}

/** How wide each line of a source may be: a function of the lines, one after the other. */
function widths(): (line: string) => number {
  let inBlock = false
  let inFence = false
  let inExample = false
  return (line) => {
    const isComment = inBlock || /^\s*(\/\/|\/\*)/.test(line)
    if (!isComment) {
      inFence = inExample = false
      return /\S\s+\/\/ |\S\s+\/\*.*\*\/$/.test(line) ? TRAILING : Infinity
    }
    const opens = !inBlock && /^\s*\/\*/.test(line)
    if (opens) inFence = inExample = false
    inBlock = (inBlock || opens) && !line.includes('*/')
    const text = line.replace(/^\s*(\/\/|\/\*\*?|\*(?!\/))/, '')
    if (text.trimStart().startsWith('```')) inFence = !inFence
    if (/^\s?@/.test(text)) inExample = text.trimStart().startsWith('@example')
    // A word alone, a URL say, can't be folded.
    if (!text.trim().includes(' ')) return Infinity
    return inFence || inExample || /^ {3}/.test(text) ? PICTURE : TEXT
  }
}

test(`comments have at most ${TEXT} columns, code with a comment behind it ${TRAILING}`, () => {
  const sources = files(/\.[cm]?[jt]s$/)
  expect(sources.length).toBeGreaterThan(100)
  expect(sources.flatMap((file) => wide(file, widths()))).toEqual([])
})

test(`no row of a table in a document is wider than ${ROW} columns`, () => {
  const documents = files(/\.md$/)
  expect(documents).toContain('README.md')
  const found = documents.flatMap((file) => {
    let inFence = false
    return wide(file, (line) => {
      if (line.trimStart().startsWith('```')) inFence = !inFence
      return !inFence && line.trimStart().startsWith('|') ? ROW : Infinity
    })
  })
  expect(found).toEqual([])
})

/** Names that were given up, and their replacements. */
const GIVEN_UP: readonly (readonly [RegExp, string])[] = [
  [/\bdesks?\b/i, 'Upcall'],
  [/\bserveAlways\b/, 'serveFromEventLoop'],
  [/\bstrays\b/, 'orphanFiles'],
  [/\bunplaced\b/i, 'noBuffer'],
  [/\bRoster\b/, 'ThreadHistory'],
  [/\bOutlet\b/, 'DrainedStream'],
  [/\bnowAndThen\b/, 'checkRecorder'],
]

test('no name that was given up comes back', () => {
  // The changelog may use the old names, and so may this list.
  const all = files(/\.([cm]?[jt]s|md)$/).filter((file) => !/CHANGELOG\.md$|words\.test\.ts$/.test(file))
  const found = all.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8')
    return GIVEN_UP.filter(([name]) => name.test(text)).map(
      ([name, now]) => `${file}: ${name.source}, now ${now}`,
    )
  })
  expect(found).toEqual([])
})

test('a coordinator spawns and retires workers; no other thread is called so', () => {
  const sources = files(/^packages\/(relay|runtime|trace)\/(src|test)\/.*\.[cm]?[jt]s$/)
  expect(sources.length).toBeGreaterThan(50)
  const found = sources.filter((file) => /coordinat/i.test(readFileSync(join(ROOT, file), 'utf8')))
  expect(found).toEqual([])
})
