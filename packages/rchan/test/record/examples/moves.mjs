import { createRequire } from 'node:module'

// Of the pool that has started it.
const { move } = createRequire(import.meta.url)(process.argv[2])

export default (bytes) => move(new Uint8Array(bytes))
