// Makes what is loaded as one text, and rchan's published files, from what the compiler has put
// into dist.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundles, FORMATS } from './bundles.mjs'
import { declarations } from './declarations.mjs'

const dist = fileURLToPath(new URL('../packages/rchan/dist', import.meta.url))
const files = [...(await bundles()), ...declarations()]
for (const { path, text } of files) {
  mkdirSync(dirname(path), { recursive: true })
  // What depends on a file that is as it was is not built again.
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text)
}
// The declarations of modules that are gone would be published.
const written = new Set(files.map(({ path }) => path))
for (const format of Object.keys(FORMATS)) {
  for (const name of readdirSync(join(dist, format), { recursive: true, encoding: 'utf8' })) {
    const path = join(dist, format, name)
    if (/\.[jt]s$/.test(name) && !written.has(path)) rmSync(path)
  }
}
