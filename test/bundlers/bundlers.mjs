// Runs each bundler to make two files, main and worker, that contain rchan. Only Node's own modules
// are external.
import ncc from '@vercel/ncc'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { build as esbuild } from 'esbuild'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rollup } from 'rollup'
import { build as vite } from 'vite'
import webpack from 'webpack'

const NAMES = ['main', 'worker']

async function withEsbuild(from, to, options) {
  const extension = options.format === 'esm' ? '.mjs' : '.cjs'
  await esbuild({
    entryPoints: NAMES.map((name) => join(from, `${name}.js`)),
    outdir: to,
    outExtension: { '.js': extension },
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    logLevel: 'error',
    ...options,
  })
  return extension
}

async function withRollup(from, to, format) {
  const extension = format === 'es' ? '.mjs' : '.cjs'
  for (const name of NAMES) {
    const bundle = await rollup({
      input: join(from, `${name}.js`),
      plugins: [nodeResolve({ exportConditions: ['node'] })],
      external: /^node:/,
      onwarn: (warning) => {
        throw new Error(warning.message)
      },
    })
    await bundle.write({ file: join(to, `${name}${extension}`), format, inlineDynamicImports: true })
    await bundle.close()
  }
  return extension
}

async function withRollupChunks(from, to) {
  const bundle = await rollup({
    input: NAMES.map((name) => join(from, `${name}.js`)),
    plugins: [nodeResolve({ exportConditions: ['node'] })],
    external: /^node:/,
  })
  await bundle.write({
    dir: to,
    format: 'es',
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name]-[hash].mjs',
  })
  await bundle.close()
  return '.mjs'
}

async function withVite(from, to, minify) {
  await vite({
    root: from,
    configFile: false,
    logLevel: 'error',
    ssr: { noExternal: true, target: 'node' },
    build: {
      ssr: true,
      minify,
      outDir: to,
      emptyOutDir: true,
      rollupOptions: {
        input: NAMES.map((name) => join(from, `${name}.js`)),
        output: { entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' },
      },
    },
  })
  return '.mjs'
}

async function withWebpack(from, to, { isModule, ...options }) {
  const extension = isModule ? '.mjs' : '.cjs'
  const stats = await new Promise((resolve, reject) => {
    webpack(
      {
        context: from,
        entry: Object.fromEntries(NAMES.map((name) => [name, join(from, `${name}.js`)])),
        target: 'node20.19',
        output: {
          path: to,
          filename: `[name]${extension}`,
          chunkFilename: `[name]-chunk${extension}`,
          ...(isModule ? { module: true, library: { type: 'module' } } : {}),
        },
        ...(isModule ? { experiments: { outputModule: true } } : {}),
        ...options,
      },
      (error, found) => (error ? reject(error) : resolve(found)),
    )
  })
  if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString('errors-warnings'))
  return extension
}

async function withNcc(from, to, minify) {
  const extension = '.js'
  for (const name of NAMES) {
    const folder = join(to, name)
    const { code, assets } = await ncc(join(from, `${name}.js`), {
      cache: false,
      quiet: true,
      minify,
      target: 'es2022',
    })
    mkdirSync(folder, { recursive: true })
    for (const [file, { source }] of Object.entries(assets)) writeFileSync(join(folder, file), source)
    writeFileSync(join(folder, `index${extension}`), code)
  }
  return `/index${extension}`
}

/**
 * The bundlers by name. Each one bundles from one folder to another, and returns the suffix of its
 * files after `main` and `worker`.
 */
export const BUNDLERS = {
  'esbuild, ESM': (from, to) => withEsbuild(from, to, { format: 'esm' }),
  'esbuild, ESM, minified': (from, to) => withEsbuild(from, to, { format: 'esm', minify: true }),
  'esbuild, ESM, split': (from, to) => withEsbuild(from, to, { format: 'esm', splitting: true }),
  'esbuild, CommonJS': (from, to) => withEsbuild(from, to, { format: 'cjs' }),
  'esbuild, CommonJS, minified': (from, to) => withEsbuild(from, to, { format: 'cjs', minify: true }),
  'esbuild, names kept': (from, to) =>
    withEsbuild(from, to, { format: 'cjs', minify: true, keepNames: true }),
  'esbuild, down to ES2020': (from, to) => withEsbuild(from, to, { format: 'esm', target: 'es2020' }),
  'rollup, ESM': (from, to) => withRollup(from, to, 'es'),
  'rollup, CommonJS': (from, to) => withRollup(from, to, 'cjs'),
  'rollup, ESM in chunks': withRollupChunks,
  'vite, SSR': (from, to) => withVite(from, to, false),
  'vite, SSR, minified': (from, to) => withVite(from, to, 'esbuild'),
  'webpack, development': (from, to) => withWebpack(from, to, { mode: 'development' }),
  'webpack, production': (from, to) => withWebpack(from, to, { mode: 'production' }),
  'webpack, ESM': (from, to) => withWebpack(from, to, { mode: 'production', isModule: true }),
  ncc: (from, to) => withNcc(from, to, false),
  'ncc, minified': (from, to) => withNcc(from, to, true),
}
