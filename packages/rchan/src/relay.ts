/** @rchan/relay, under the name of the package that users install. */
export * from '@rchan/relay'
