/**
 * Patterns of names: `pool:*`, `!pool:debug`. A `*` stands for any characters. Patterns are looked
 * at in their order, and the last one that matches decides; one that begins with `!` excludes. If
 * the first one excludes, names that match none are included. Pure functions, any thread.
 */

/** Whether a name is included. */
export type Matcher = (name: string) => boolean

/** Whether a pattern, without `!`, matches a name. No regular expression: names come from files. */
export function matchesPattern(pattern: string, name: string): boolean {
  let p = 0
  let n = 0
  let star = -1
  let resume = 0
  while (n < name.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p
      resume = n
      p += 1
    } else if (p < pattern.length && pattern[p] === name[n]) {
      p += 1
      n += 1
    } else if (star >= 0) {
      p = star + 1
      resume += 1
      n = resume
    } else return false
  }
  while (p < pattern.length && pattern[p] === '*') p += 1
  return p === pattern.length
}

/**
 * Makes a matcher of patterns.
 *
 * @throws TypeError for something that is no pattern.
 */
export function matcherOf(patterns: readonly string[]): Matcher {
  if (!Array.isArray(patterns)) {
    throw new TypeError(`patterns=${String(patterns)}, expected a list like ['pool:*', '!pool:debug']`)
  }
  for (const pattern of patterns) {
    if (typeof pattern !== 'string' || pattern === '' || pattern === '!') {
      throw new TypeError(
        `pattern=${JSON.stringify(pattern)}, expected a name, in which * stands for any characters`,
      )
    }
  }
  const first = patterns[0]?.startsWith('!') ?? true
  return (name) => {
    let isIncluded = first
    for (const pattern of patterns) {
      const excludes = pattern.startsWith('!')
      if (matchesPattern(excludes ? pattern.slice(1) : pattern, name)) isIncluded = !excludes
    }
    return isIncluded
  }
}
