/** The modules that a thread loads when it imports the package. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

test('the entry that every tracing thread loads imports nothing of Node and nothing of the reader', () => {
  const files = [createRequire(import.meta.url).resolve('@rchan/ctf')]
  for (const file of files) {
    for (const [, name] of readFileSync(file, 'utf8').matchAll(/\bfrom '([^']+)'/g)) {
      expect(name).toMatch(
        /^\.\/(types|facts|patterns|field-types|field-functions|composite-types|schema|record|packet|metadata|thread-names)\.js$/,
      )
      const path = join(dirname(file), name)
      if (!files.includes(path)) files.push(path)
    }
  }
  expect(files).toHaveLength(12)
})
