/** @rchan/runtime with its coordinator, under the name of the package that users install. */
export * from '@rchan/runtime'
export * from '@rchan/runtime/coordinator'
