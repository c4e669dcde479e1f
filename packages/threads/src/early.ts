/** What a thread needs of this package that may need the rest later, or never. */
export * as builtins from './builtins.js'
export { threadId } from './own-entry.js'
