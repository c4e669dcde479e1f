// What is bundled, and how. Writes nothing.
//
// - rchan/dist/{esm,cjs}/*.js: rchan as it is published, one file for each entry and format. It
//   needs no other package. `import 'rchan'` costs a worker about 2 ms in this form, and about 16
//   as the modules that it consists of (Node 20). What only a recording thread needs is in
//   recording.js.
// - trace/dist/consumer-source.js, the whole program of the consumer thread as a string: that
//   thread needs no file, and nothing of how the program resolves its modules.
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const packages = fileURLToPath(new URL('../packages', import.meta.url))
const BUILTINS = `${packages}/rchan/dist/builtins.js`
const RECORDING = '@rchan/trace/recording'

/** The files that users import, by the names of their subpaths; `index` is `rchan` itself. */
export const ENTRIES = ['index', 'relay', 'sync', 'reader', 'ctf']
/**
 * The formats, each a folder of `rchan/dist` with a package.json that tells Node what its files
 * are.
 */
export const FORMATS = { esm: 'module', cjs: 'commonjs' }

const options = {
  bundle: true,
  write: false,
  platform: 'node',
  target: 'node20.19',
  legalComments: 'none',
  // Half of it would be comments, which every worker would read.
  minifyWhitespace: true,
  lineLimit: 120,
  logLevel: 'warning',
}

/** What stands for a member of a built-in object: `Atomics_load` for `Atomics.load`. */
async function definitions() {
  const names = Object.keys(await import(pathToFileURL(BUILTINS).href))
  return Object.fromEntries(
    names.filter((name) => name.includes('_')).map((name) => [name.replace('_', '.'), name]),
  )
}

async function textOf(more) {
  const { outputFiles } = await build({ ...options, ...more })
  return outputFiles[0].text
}

/** The recording side stays a file of its own, beside the one that imports it. */
const recordingBeside = {
  name: 'recording beside',
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`^${RECORDING}$`) }, () => ({ path: './recording.js', external: true }))
  },
}

/** The consumer's program as it is now, not as the build before left it. */
function consumerProgram(text) {
  return {
    name: 'consumer program',
    setup({ onResolve, onLoad }) {
      // In a fresh clone the file isn't there yet.
      onResolve({ filter: /[/\\]consumer-source\.js$/ }, ({ path }) => ({ path, namespace: 'made' }))
      onLoad({ filter: /./, namespace: 'made' }, () => ({ contents: text }))
    },
  }
}

function formatOptions(format) {
  if (format === 'esm') return { format: 'esm' }
  // A `require` in the place of `import()`: jest can't import, and asks for a flag.
  return { format: 'cjs', supported: { 'dynamic-import': false }, banner: { js: '"use strict";' } }
}

/** The bundles of the build as it is: where each belongs, and its text. */
export async function bundles() {
  // In a function, since the variables of a script that a worker evaluates are global.
  const program = await textOf({
    entryPoints: [`${packages}/trace/dist/consumer-program.js`],
    format: 'cjs',
    banner: { js: '(() => {' },
    footer: { js: '})()\n//# sourceURL=rchan-consumer.js' },
  })
  const consumerSource = `export const consumerSource = ${JSON.stringify(program)}\n`
  const files = [
    { path: `${packages}/trace/dist/consumer-source.js`, text: consumerSource },
    {
      path: `${packages}/trace/dist/consumer-source.d.ts`,
      text: `export declare const consumerSource: string\n`,
    },
  ]
  const define = await definitions()
  for (const [format, type] of Object.entries(FORMATS)) {
    const folder = `${packages}/rchan/dist/${format}`
    files.push({ path: `${folder}/package.json`, text: `${JSON.stringify({ type })}\n` })
    for (const name of ENTRIES) {
      const text = await textOf({
        ...formatOptions(format),
        entryPoints: [`${packages}/rchan/dist/${name}.js`],
        plugins: [recordingBeside],
        // The built-ins as they were at the import: see builtins.ts.
        ...(name === 'index' ? { inject: [BUILTINS], define } : {}),
      })
      files.push({ path: `${folder}/${name}.js`, text })
    }
    const text = await textOf({
      ...formatOptions(format),
      stdin: { contents: `export { start } from '${RECORDING}'`, resolveDir: `${packages}/rchan` },
      plugins: [consumerProgram(consumerSource)],
    })
    files.push({ path: `${folder}/recording.js`, text })
  }
  return files
}
