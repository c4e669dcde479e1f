// TypeScript as a library. Our own compiler has no stable interface for programs, and a second one
// in package.json would fight with it for the name `tsc`: this is the one that arethetypeswrong
// brings.
import { createRequire } from 'node:module'

const requireFromHere = createRequire(import.meta.url)
const requireFromTool = createRequire(requireFromHere.resolve('@arethetypeswrong/core'))

/** Where it is, for tools that ask for a compiler. */
export const TYPESCRIPT = requireFromTool.resolve('typescript')
export const ts = requireFromTool('typescript')
