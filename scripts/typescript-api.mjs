// TypeScript as a library. Our own compiler has no stable API, and a second one in package.json
// would compete with it for the name `tsc`. So this is the one that arethetypeswrong depends on.
import { createRequire } from 'node:module'

const requireFromHere = createRequire(import.meta.url)
const requireFromTool = createRequire(requireFromHere.resolve('@arethetypeswrong/core'))

/** Its path, for tools that need a compiler. */
export const TYPESCRIPT = requireFromTool.resolve('typescript')
export const ts = requireFromTool('typescript')
