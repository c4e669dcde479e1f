/** Relay, its rings, and what connects it to Node, under the name of the package that users install. */
export * from '@rchan/ring'
export * from '@rchan/relay'
export * from '@rchan/relay-node'
