// Defines the bundles. Writes nothing.
//
// - rchan/dist/{esm,cjs}/*.js: rchan as it is published, one file for each entry and format. It
//   needs no other package. In this form `import 'rchan'` costs a worker a fraction of what it
//   costs as separate modules. recording.js has the code that only a recording thread needs, and in
//   index.js the writing half of tracing is a text (writing-half.mjs).
// - rchan/dist/bin/rchan.cjs: the command, with its argument library. It takes the rest from the
//   files of dist/cjs, each when it is needed. Beside it, the licences of the libraries that
//   rchan's files contain.
// - tracepoint/dist/{esm,cjs}/index.js: what authors of libraries use.
// - trace/dist/consumer-source.js: the whole program of the consumer thread as a string. So that
//   thread needs no file, and does not depend on how the program resolves its modules.
// - relay-node/dist/sink-source.js: the same for the consumer thread of relay channels.
// - report/dist/page-source.js: the script and the style sheet of the page that `rchan report`
//   writes.
import { fileURLToPath, pathToFileURL } from 'node:url'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { build } from 'esbuild'
import { writingHalfOf } from './writing-half.mjs'

const packages = fileURLToPath(new URL('../packages', import.meta.url))
const BUILTINS = `${packages}/rchan/dist/builtins.js`
const RECORDING = '@rchan/trace/recording'

/** The entries that users import, by subpath. `index` is `rchan` itself. */
export const ENTRIES = [
  'index',
  'relay',
  'runtime',
  'sync',
  'reader',
  'ctf',
  'analysis',
  'export',
  'report',
  'probes',
  'auto',
]
/** It is loaded before a program, in every thread: see auto.ts. */
const CJS_ONLY = ['auto', 'preloaded', 'probing']
/** Files beside them that are no entries: what `auto` loads, and a thread of rchan's own. */
const BESIDE = ['preloaded', 'probing', 'sampler']
/** Of these files the tracing is that of index.js, so a thread has it once. */
const ON_INDEX = ['probes', ...BESIDE]
/**
 * The module formats. Each is a folder of `rchan/dist` with a package.json that tells Node the
 * format of its files.
 */
export const FORMATS = { esm: 'module', cjs: 'commonjs' }

const options = {
  bundle: true,
  write: false,
  platform: 'node',
  target: 'node20.19',
  legalComments: 'none',
  // Otherwise half of the text would be comments, which every worker would parse.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 120,
  logLevel: 'warning',
}

/** Names that replace members of built-in objects: `Atomics_load` for `Atomics.load`. */
async function definitions() {
  const { keptBuiltins } = await import(pathToFileURL(BUILTINS).href)
  const names = Object.keys(keptBuiltins())
  return Object.fromEntries(
    names.filter((name) => name.includes('_')).map((name) => [name.replace('_', '.'), name]),
  )
}

async function textOf(more) {
  const { outputFiles } = await build({ ...options, ...more })
  return outputFiles[0].text
}

/** Keeps the recording half in a separate file, beside the file that imports it. */
const recordingBeside = {
  name: 'recording beside',
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`^${RECORDING}$`) }, () => ({ path: './recording.js', external: true }))
  },
}

/** Keeps tracing in index.js. */
const tracingBeside = {
  name: 'tracing beside',
  setup({ onResolve }) {
    onResolve({ filter: /^@rchan\/trace$/ }, () => ({ path: './index.js', external: true }))
  },
}

/** The libraries of others that rchan's files contain. */
const LIBRARIES = {
  commander: `${packages}/rchan`,
  pbf: `${packages}/export`,
  'd3-array': `${packages}/export`,
  internmap: `${packages}/export`,
  ...Object.fromEntries(
    ['scale', 'shape', 'color', 'format', 'interpolate', 'path', 'time', 'time-format'].map((name) => [
      `d3-${name}`,
      `${packages}/report`,
    ]),
  ),
}
/** Small modules that stand in the command's own file. */
const IN_THE_COMMAND = [
  '@rchan/export/format-files',
  '@rchan/probes/sampler-data',
  '@rchan/probes/settings',
  '@rchan/probes/status',
]
/** What the command takes from the files of rchan. */
const OF_THE_COMMAND = {
  '@rchan/ctf/reader': 'reader',
  '@rchan/analysis': 'analysis',
  '@rchan/export': 'export',
  '@rchan/report': 'report',
  '@rchan/probes': 'probes',
  [RECORDING]: 'recording',
}

const besideTheCommand = {
  name: 'beside the command',
  setup({ onResolve }) {
    onResolve({ filter: /^@rchan\// }, ({ path }) => {
      if (IN_THE_COMMAND.includes(path)) return undefined
      const file = OF_THE_COMMAND[path]
      if (file === undefined) throw new Error(`the command imports ${path}, which is in no file of rchan`)
      return { path: `../cjs/${file}.js`, external: true }
    })
  },
}

/** The command as a file. CommonJS starts faster, and the argument library is CommonJS. */
async function commandText() {
  const { version } = JSON.parse(readFileSync(`${packages}/rchan/package.json`, 'utf8'))
  return textOf({
    entryPoints: [`${packages}/rchan/dist/command/main.js`],
    format: 'cjs',
    supported: { 'dynamic-import': false },
    define: { RCHAN_VERSION: JSON.stringify(version) },
    plugins: [besideTheCommand],
  })
}

/** What a library is called, with its version and its licence, which has to go with it. */
function licenceOf(name) {
  const require = createRequire(`${LIBRARIES[name]}/package.json`)
  const found = require.resolve
    .paths(name)
    .map((path) => `${path}/${name}/package.json`)
    .find((path) => existsSync(path))
  const { version, license } = JSON.parse(readFileSync(found, 'utf8'))
  const text = readFileSync(`${dirname(found)}/LICENSE`, 'utf8').trim()
  return { title: `${name} ${version} (${license})`, text }
}

/** The licences of all libraries. */
function licences() {
  const texts = Object.keys(LIBRARIES).map((name) => {
    const { title, text } = licenceOf(name)
    return `${title}\n\n${text}\n`
  })
  return `The files of rchan contain code of these libraries.\n\n${texts.join(`\n${'-'.repeat(72)}\n\n`)}`
}

/** Those of the libraries in the page, which its users pass on. Each text stands there once. */
function pageLicences() {
  const titles = new Map()
  for (const name of Object.keys(LIBRARIES).filter((each) => /^(d3-|internmap$)/.test(each))) {
    const { title, text } = licenceOf(name)
    const [copyright, ...permission] = text.split('\n')
    const key = permission.join('\n').trim()
    titles.set(key, [...(titles.get(key) ?? []), `${title}: ${copyright}`])
  }
  const texts = [...titles].map(([permission, names]) => `${names.join('\n')}\n\n${permission}\n`)
  return `/*\nThis page contains code of these libraries.\n\n${texts.join('\n')}*/`
}

/** Takes texts that the build makes from this build, not from the previous one. */
function madeTexts(texts) {
  const nameOf = (path) => /(\w+)-source\.js$/.exec(path)[1]
  return {
    name: 'made texts',
    setup({ onResolve, onLoad }) {
      // In a fresh clone the files don't exist yet.
      onResolve({ filter: /[/\\](consumer|sink|page)-source\.js$/ }, ({ path }) => ({
        path,
        namespace: 'made',
      }))
      onLoad({ filter: /./, namespace: 'made' }, ({ path }) => ({ contents: texts[nameOf(path)] }))
    },
  }
}

/** The script and the style sheet of the page that a report is. */
async function pageSource() {
  const common = { bundle: true, write: false, minify: true, legalComments: 'none', logLevel: 'warning' }
  const folder = `${packages}/report/page`
  const browser = { platform: 'browser', target: ['chrome100', 'firefox113', 'safari16.4'] }
  const [script, style] = await Promise.all(
    [
      { ...browser, entryPoints: [`${folder}/main.ts`], format: 'esm', banner: { js: pageLicences() } },
      { entryPoints: [`${folder}/style.css`] },
    ].map(async (more) => (await build({ ...common, ...more })).outputFiles[0].text.trim()),
  )
  if (script.includes('</script')) throw new Error('the script of the page has the end of a script in it')
  return `export const script = ${JSON.stringify(script)}\nexport const style = ${JSON.stringify(style)}\n`
}

/** A program as the text that a worker evaluates. */
async function programOf(entryPoint, url) {
  // Wrapped in a function, because the variables of a script that a worker evaluates are global.
  return textOf({
    entryPoints: [entryPoint],
    format: 'cjs',
    minifyIdentifiers: true,
    banner: { js: '(() => {' },
    footer: { js: `})()\n//# sourceURL=${url}` },
  })
}

function formatOptions(format, name) {
  if (format === 'esm') return { format: 'esm' }
  // Replaces `import()` by `require`: jest can't run `import()` without a flag.
  const cjs = { format: 'cjs', supported: { 'dynamic-import': false } }
  // Any Node may be told to load it. The oldest have no names that begin with `node:` either.
  if (name === 'auto') {
    return {
      ...cjs,
      target: 'node8',
      define: { 'import.meta.url': '__filename' },
      banner: { js: '"use strict";' },
    }
  }
  if (!ON_INDEX.includes(name)) return { ...cjs, banner: { js: '"use strict";' } }
  return {
    ...cjs,
    define: { 'import.meta.url': 'RCHAN_FILE' },
    banner: { js: '"use strict";const RCHAN_FILE=require("node:url").pathToFileURL(__filename).href;' },
  }
}

/** Returns the bundles of the current build: the path and the text of each. */
export async function bundles() {
  const program = await programOf(`${packages}/trace/dist/consumer-program.js`, 'rchan-consumer.js')
  const consumer = `export const consumerSource = ${JSON.stringify(program)}\n`
  const sinkProgram = await programOf(`${packages}/relay-node/dist/sink-program.js`, 'rchan-sink.js')
  const sink = `export const sinkSource = ${JSON.stringify(sinkProgram)}\n`
  const page = await pageSource()
  const texts = { consumer, sink, page }
  const files = [
    { path: `${packages}/report/dist/page-source.js`, text: page },
    {
      path: `${packages}/report/dist/page-source.d.ts`,
      text: 'export declare const script: string\nexport declare const style: string\n',
    },
    { path: `${packages}/trace/dist/consumer-source.js`, text: consumer },
    {
      path: `${packages}/trace/dist/consumer-source.d.ts`,
      text: `export declare const consumerSource: string\n`,
    },
    { path: `${packages}/relay-node/dist/sink-source.js`, text: sink },
    {
      path: `${packages}/relay-node/dist/sink-source.d.ts`,
      text: `export declare const sinkSource: string\n`,
    },
  ]
  files.push(
    { path: `${packages}/rchan/dist/bin/rchan.cjs`, text: await commandText() },
    { path: `${packages}/rchan/dist/THIRD-PARTY-LICENSES.txt`, text: licences() },
  )
  const define = await definitions()
  const writingHalf = await writingHalfOf({
    options,
    // Uses the built-ins as they were at the import: see builtins.ts.
    builtins: { inject: [BUILTINS], define },
    entryPoint: `${packages}/rchan/dist/index.js`,
    half: `${packages}/trace/dist/writing.js`,
    plugins: [recordingBeside],
  })
  for (const [format, type] of Object.entries(FORMATS)) {
    const folder = `${packages}/rchan/dist/${format}`
    files.push({ path: `${folder}/package.json`, text: `${JSON.stringify({ type })}\n` })
    for (const name of [...ENTRIES, ...BESIDE]) {
      if (format === 'esm' && CJS_ONLY.includes(name)) continue
      const text = await textOf({
        ...formatOptions(format, name),
        entryPoints: [`${packages}/rchan/dist/${name}.js`],
        plugins: [
          recordingBeside,
          madeTexts(texts),
          ...(name === 'index' ? [writingHalf] : []),
          ...(ON_INDEX.includes(name) ? [tracingBeside] : []),
        ],
        ...(name === 'index' ? { inject: [BUILTINS], define } : {}),
        // V8 reads all of these in each process or worker.
        ...(BESIDE.includes(name) ? { minifyIdentifiers: true } : {}),
      })
      files.push({ path: `${folder}/${name}.js`, text })
    }
    const text = await textOf({
      ...formatOptions(format),
      stdin: {
        contents: `export { requestSnapshot, start, startNow } from '${RECORDING}'`,
        resolveDir: `${packages}/rchan`,
      },
      plugins: [madeTexts(texts)],
    })
    files.push({ path: `${folder}/recording.js`, text })
    const forLibraries = `${packages}/tracepoint/dist/${format}`
    files.push(
      { path: `${forLibraries}/package.json`, text: `${JSON.stringify({ type })}\n` },
      {
        path: `${forLibraries}/index.js`,
        text: await textOf({
          ...formatOptions(format),
          entryPoints: [`${packages}/tracepoint/dist/index.js`],
        }),
      },
    )
  }
  return files
}
