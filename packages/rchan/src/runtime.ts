/** @rchan/runtime, under the name of the package that users install. */
export * from '@rchan/runtime'
