// Makes the one file that a thread loads to trace: `import 'rchan'` costs a worker about 2 ms with it, and about 16
// as the 20 modules that it consists of (Node 20). What is only needed to record stays outside.
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const rchan = fileURLToPath(new URL('../packages/rchan/dist', import.meta.url))
await build({
  entryPoints: [`${rchan}/index.js`],
  outfile: `${rchan}/bundle.js`,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  external: ['@rchan/trace/recording'],
  legalComments: 'none',
  // Half of it would be comments, which every worker would read.
  minifyWhitespace: true,
  lineLimit: 120,
  logLevel: 'warning',
})
