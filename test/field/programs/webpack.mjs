// A build of several chunks, which terser-webpack-plugin minifies on threads.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import TerserPlugin from 'terser-webpack-plugin'
import webpack from 'webpack'

const require = createRequire(import.meta.url)
const entry = Object.fromEntries(
  ['acorn', 'ajv', 'piscina', 'semver', 'minimatch'].map((name) => [name, require.resolve(name)]),
)
const compiler = webpack({
  mode: 'production',
  target: 'node',
  context: fileURLToPath(new URL('.', import.meta.url)),
  entry,
  output: { path: fileURLToPath(new URL('./built-webpack', import.meta.url)), clean: true },
  optimization: {
    minimizer: [new TerserPlugin({ parallel: 2, extractComments: false })],
  },
  externals: [/\.node$/, /^fsevents$/, /^jiti/],
  ignoreWarnings: [() => true],
  cache: false,
})
const stats = await new Promise((done, fail) =>
  compiler.run((error, result) => (error ? fail(error) : done(result))),
)
await new Promise((done) => compiler.close(done))
const { assets = [], errors = [] } = stats.toJson({ all: false, assets: true, errors: true })
for (const { message } of errors) console.error(message)
for (const { name, size, info } of assets.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
  console.log(name, size, info.minimized === true)
}
console.log(`tasks: ${assets.filter(({ info }) => info.minimized === true).length}`)
process.exitCode = errors.length === 0 ? 0 : 1
