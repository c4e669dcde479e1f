/**
 * Checks the options that a caller gives: a name that was misspelt would be a default without a
 * word.
 */

/**
 * @param call what was called.
 * @param names of all options there are; undefined if not all are known.
 * @throws TypeError for what is no object, and for a name that is none of them.
 */
export function checkOptions(call: string, options: unknown, names?: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    throw new TypeError(`${call}: options=${String(options)}, expected an object`)
  const unknown = names === undefined ? [] : Object.keys(options).filter((name) => !names.includes(name))
  if (unknown.length > 0)
    throw new TypeError(`${call}: unknown option ${unknown.join(', ')}; there are ${names?.join(', ')}`)
}
