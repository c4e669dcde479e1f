/** @rchan/relay, and what connects it to Node, under the name of the package that users install. */
export * from '@rchan/relay'
export * from '@rchan/runtime/relay-machine'
export * from '@rchan/runtime/splice'
