// Makes the two texts that a thread loads as one, from what the compiler has put into dist.
import { writeFileSync } from 'node:fs'
import { bundles } from './bundles.mjs'

for (const { path, text } of await bundles()) writeFileSync(path, text)
