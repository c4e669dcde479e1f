// A build of several chunks, which @rollup/plugin-terser minifies on threads.
import { fileURLToPath } from 'node:url'
import terser from '@rollup/plugin-terser'
import { rollup } from 'rollup'

const modules = fileURLToPath(new URL('../node_modules', import.meta.url))
const chunks = `${modules}/vite/dist/node/chunks`
const input = [
  `${modules}/acorn/dist/acorn.mjs`,
  ...['dist', 'lib', 'postcss-import'].map((name) => `${chunks}/${name}.js`),
]
const bundle = await rollup({
  input,
  // Only what stands beside them is built in.
  external: (id) => !id.startsWith('.') && !id.startsWith(modules),
  treeshake: false,
  onwarn: () => undefined,
})
const { output } = await bundle.generate({ format: 'es', plugins: [terser({ maxWorkers: 2 })] })
await bundle.close()
const built = output.filter(({ type }) => type === 'chunk')
for (const { name, code } of built) console.log(name, code.length)
console.log(`tasks: ${built.length}`)
