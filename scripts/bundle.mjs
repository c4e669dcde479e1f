// Bundles the compiler's output in dist: into the text of the consumer thread, and into rchan's
// published files.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundles, FORMATS } from './bundles.mjs'
import { declarations } from './declarations.mjs'

const dist = fileURLToPath(new URL('../packages/rchan/dist', import.meta.url))
const files = [...(await bundles()), ...declarations()]
for (const { path, text } of files) {
  mkdirSync(dirname(path), { recursive: true })
  // An unchanged file is not written again, so that nothing that depends on it is rebuilt.
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text)
}
// Otherwise the declarations of deleted modules would be published.
const written = new Set(files.map(({ path }) => path))
for (const format of Object.keys(FORMATS)) {
  for (const name of readdirSync(join(dist, format), { recursive: true, encoding: 'utf8' })) {
    const path = join(dist, format, name)
    if (/\.[jt]s$/.test(name) && !written.has(path)) rmSync(path)
  }
}
