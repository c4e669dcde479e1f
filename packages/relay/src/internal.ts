/**
 * The inside of relay, for the runner of the kernel's vectors and for the tests of the protocol.
 * `rchan/relay` does not have it, and it may change with any version.
 */
export * from './layout.js'
export { ASK_RESET, ASK_SWITCH, FINALIZED, HEAD, ringOffset } from './buffer-head.js'
export { insideOf, type ThreadBuffer } from './buffer.js'
export { RELAY_INTERFACE_VERSION } from './channel.js'
export { KernelFile } from './kernel-file.js'
export type { LimitedMachine } from './machine.js'
