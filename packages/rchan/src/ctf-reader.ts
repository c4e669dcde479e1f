/** @rchan/ctf/reader, under the name of the package that users install. */
export * from '@rchan/ctf/reader'
