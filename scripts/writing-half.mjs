// Makes a text of the writing half of tracing, for rchan's index.js. Writes nothing.
//
// V8 reads all code of a file when it loads it. Of this half a thread needs nothing before its
// first event of a recording, and many threads never have one. As a text it is passed over, and
// compiled when it is needed. (A file of its own would have to be found and read in the middle of a
// call, in a program that may have mocked its file system, or was bundled.)
//
// The two halves share modules: what index.js has anyway is not in the text, which finds it as
// `given`. So there is one instance of each. esbuild makes the text with these modules as imports,
// and each import becomes a `const`.
import { resolve } from 'node:path'
import { build } from 'esbuild'

const ENTRY = /[/\\]trace[/\\]dist[/\\]writing-half\.js$/
const GIVEN = 'given:'
/** What esbuild writes for the imports and exports of a module, without white space. */
const IMPORT = /import\s*\{([^}]*)\}\s*from\s*"given:([^"]*)";?/g
const EXPORT = /export\s*\{([^}]*)\};?\s*$/

/**
 * Returns the plugin that puts the text in place of trace's `writing-half`.
 *
 * @param entryPoint the module whose bundle gets it.
 * @param half the module that becomes the text.
 * @throws Error when the half imports something itself, or is not as this file expects.
 */
export async function writingHalfOf({ options, builtins, entryPoint, half, plugins }) {
  const shared = await modulesOf({ ...options, ...builtins, entryPoints: [entryPoint], plugins })
  const { outputFiles } = await build({
    ...options,
    ...builtins,
    // A worker reads, decodes and scans it, although most never run it. Nobody sees these names.
    minifyIdentifiers: true,
    format: 'esm',
    entryPoints: [half],
    plugins: [given(shared)],
  })
  const { text, imports } = asFunction(outputFiles[0].text)
  const contents = `${imports.map(({ path, names }, at) => importLine(path, names, at)).join('')}
import { runText } from './compile.js'
const text = ${JSON.stringify(`${text}\n//# sourceURL=rchan-writing.js`)}
let half
export function writingHalf() {
  half ??= runText(text, [${imports.map(({ names }, at) => `{ ${names.map((name) => `${name}: ${name}_${at}`).join(', ')} }`).join(', ')}])
  return half
}`
  return {
    name: 'writing half',
    setup({ onLoad }) {
      onLoad({ filter: ENTRY }, () => ({ contents }))
    },
  }
}

function importLine(path, names, at) {
  return `import { ${names.map((name) => `${name} as ${name}_${at}`).join(', ')} } from ${JSON.stringify(path)}\n`
}

/** The modules that a bundle has without the half: their paths, and the names they export. */
async function modulesOf(bundle) {
  const without = {
    name: 'without the writing half',
    setup({ onLoad }) {
      onLoad({ filter: ENTRY }, () => ({ contents: 'export function writingHalf() {}' }))
    },
  }
  const { metafile } = await build({
    ...bundle,
    format: 'esm',
    metafile: true,
    plugins: [...bundle.plugins, without],
  })
  const [{ inputs }] = Object.values(metafile.outputs)
  // A module of which nothing is in the bundle only passes on what others have.
  const paths = Object.keys(inputs).filter((path) => inputs[path].bytesInOutput > 0 && !ENTRY.test(path))
  const { metafile: each } = await build({ entryPoints: paths, write: false, outdir: 'none', metafile: true })
  const exportsOf = new Map(
    Object.values(each.outputs).map(({ entryPoint, exports }) => [resolve(entryPoint), exports]),
  )
  return exportsOf
}

/** Has the shared modules as imports. */
function given(shared) {
  return {
    name: 'given',
    setup({ onLoad, onResolve }) {
      onResolve({ filter: new RegExp(`^${GIVEN}`) }, ({ path }) => ({
        path,
        external: true,
        sideEffects: false,
      }))
      onLoad({ filter: /\.js$/ }, ({ path }) => {
        const names = shared.get(path)
        return names && { contents: passedOn(names, JSON.stringify(GIVEN + path)) }
      })
    },
  }
}

/** A module that passes on another one's exports. Kept built-ins are not named as the globals. */
function passedOn(names, from) {
  const kept = (name) => (name in globalThis ? `Kept${name}` : name)
  const list = (pair) => names.map((name) => pair(name, kept(name))).join(', ')
  return `import { ${list((name, local) => `${name} as ${local}`)} } from ${from}
export { ${list((name, local) => `${local} as ${name}`)} }`
}

/** Makes the body of a function of a module's text. */
function asFunction(module) {
  const imports = []
  const exported = EXPORT.exec(module)
  if (exported === null) throw new Error(`the writing half has no exports at its end: ${module.slice(-200)}`)
  const text = module.slice(0, exported.index).replaceAll(IMPORT, (_, list, path) => {
    const pairs = pairsOf(list)
    const at = imports.push({ path, names: pairs.map(([name]) => name) }) - 1
    return `const{${pairs.map(([name, local]) => `${name}:${local}`).join(',')}}=given[${at}];`
  })
  // Node's modules would be taken late, and everything else is not there.
  if (/\bimport\s*[{("*]|\brequire\b/.test(text)) throw new Error(`the writing half imports something`)
  const returned = pairsOf(exported[1]).map(([local, name]) => `${name}:${local}`)
  return { text: `"use strict";${text}return{${returned.join(',')}}`, imports }
}

/** The pairs of a list such as `a,b as c`. */
function pairsOf(list) {
  return list.split(',').map((item) => {
    const [name, local = name] = item.trim().split(/\s+as\s+/)
    return [name, local]
  })
}
