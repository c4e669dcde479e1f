export * as builtins from './builtins.js'
export { threadName } from './name.js'
export { eventIdentity, identify, isDead, isProvable, thisThread, type ThreadIdentity } from './thread.js'
