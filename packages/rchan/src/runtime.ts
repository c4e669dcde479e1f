/** @rchan/runtime with its coordinator and splicing, under the name of the package that users install. */
export * from '@rchan/runtime'
export * from '@rchan/runtime/coordinator'
export * from '@rchan/runtime/splice'
