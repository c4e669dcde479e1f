// What is bundled, and how. Writes nothing.
//
// - rchan/dist/bundle.js, the one file that a thread loads to trace: `import 'rchan'` costs a
//   worker about 2 ms with it, and about 16 as the modules that it consists of (Node 20). What is
//   only needed to record stays outside.
// - trace/dist/consumer-source.js, the whole program of the consumer thread as a string: that
//   thread needs no file, and nothing of how the program resolves its modules.
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const packages = fileURLToPath(new URL('../packages', import.meta.url))
const BUILTINS = `${packages}/rchan/dist/builtins.js`
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

/** The bundles of the build as it is: where each belongs, and its text. */
export async function bundles() {
  const library = await textOf({
    entryPoints: [`${packages}/rchan/dist/index.js`],
    format: 'esm',
    external: ['@rchan/trace/recording'],
    // The built-ins as they were at the import: see builtins.ts.
    inject: [BUILTINS],
    define: await definitions(),
  })
  // In a function, since the variables of a script that a worker evaluates are global.
  const program = await textOf({
    entryPoints: [`${packages}/trace/dist/consumer-program.js`],
    format: 'cjs',
    banner: { js: '(() => {' },
    footer: { js: '})()\n//# sourceURL=rchan-consumer.js' },
  })
  return [
    { path: `${packages}/rchan/dist/bundle.js`, text: library },
    {
      path: `${packages}/trace/dist/consumer-source.js`,
      text: `export const consumerSource = ${JSON.stringify(program)}\n`,
    },
    {
      path: `${packages}/trace/dist/consumer-source.d.ts`,
      text: `export declare const consumerSource: string\n`,
    },
  ]
}
