// The published types of rchan and of @rchan/tracepoint: the compiler's declarations for each
// module that their entries reach. Imports of our other packages become relative. Writes nothing.
//
// Members and exports marked `@internal` are left out: only our packages use them. Each format has
// its own copy, because TypeScript takes the format of a declaration from the package.json above
// it.
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import { ENTRIES, FORMATS } from './bundles.mjs'
import { ts } from './typescript-api.mjs'

const packages = fileURLToPath(new URL('../packages', import.meta.url))
const OURS = /^@rchan\/([^/]+)(?:\/(.+))?$/

/**
 * Returns the declaration file for an import of one of our modules; undefined for a foreign module.
 */
function targetOf(from, specifier) {
  if (specifier.startsWith('.')) return join(dirname(from), specifier.replace(/\.js$/, '.d.ts'))
  const [, name, entry] = OURS.exec(specifier) ?? []
  if (name === undefined) return undefined
  const { exports } = JSON.parse(readFileSync(join(packages, name, 'package.json'), 'utf8'))
  return join(packages, name, exports[entry === undefined ? '.' : `./${entry}`].types)
}

/** Returns the place of a declaration file in the folder of types: `trace/tracepoint.d.ts`. */
function placeOf(file) {
  return relative(packages, file).replace(/[/\\]dist[/\\]/, '/')
}

/** Returns the published part of a declaration file, and those of our files that it imports. */
function publish(file) {
  const text = readFileSync(file, 'utf8')
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true)
  const edits = []
  const targets = []
  const visit = (node) => {
    if (ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'internal')) {
      edits.push({ from: node.getFullStart(), to: node.end, by: '' })
      return
    }
    if (ts.isStringLiteral(node) && isSpecifier(node)) {
      const target = targetOf(file, node.text)
      if (target !== undefined) {
        targets.push(target)
        const path = relative(dirname(placeOf(file)), placeOf(target)).replaceAll('\\', '/')
        const by = (path.startsWith('.') ? path : `./${path}`).replace(/\.d\.ts$/, '.js')
        edits.push({ from: node.getStart(), to: node.end, by: `'${by}'` })
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  let out = text
  for (const { from, to, by } of edits.sort((a, b) => b.from - a.from)) {
    out = out.slice(0, from) + by + out.slice(to)
  }
  return { text: out, targets }
}

function isSpecifier({ parent }) {
  return (
    ts.isImportDeclaration(parent) ||
    ts.isExportDeclaration(parent) ||
    (ts.isLiteralTypeNode(parent) && ts.isImportTypeNode(parent.parent))
  )
}

/** Returns the declarations of the current build: the path and the text of each. */
export function declarations() {
  return [
    ...declarationsOf(
      'rchan',
      ENTRIES.map((name) => `rchan/dist/${name}.d.ts`),
    ),
    ...declarationsOf('tracepoint', ['tracepoint/dist/index.d.ts']),
  ]
}

/** Those that a package's entries reach. */
function declarationsOf(name, entries) {
  const published = new Map()
  const waiting = entries.map((entry) => join(packages, entry))
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (published.has(file)) continue
    const { text, targets } = publish(file)
    published.set(file, text)
    waiting.push(...targets)
  }
  return Object.keys(FORMATS).flatMap((format) =>
    [...published].map(([file, text]) => ({
      path: join(packages, name, 'dist', format, 'types', placeOf(file)),
      text,
    })),
  )
}
