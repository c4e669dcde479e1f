/**
 * Reads the pictures of shared memory in the head comments of sources, so that they can't drift
 * from the code.
 */
import { readFileSync } from 'node:fs'

/** A line of a picture. */
export interface PictureWord {
  /** In bytes; undefined where the picture says `…`. */
  readonly at: number | undefined
  readonly type: string
  readonly name: string
  readonly rest: string
}

/**
 * The lines of a picture that has the columns "at, type, word". Lines that start with a sign (`+4`)
 * are words of an element, the others words of the whole.
 *
 * @param number which of the pictures of the file, from 0.
 */
export function readPicture(source: URL, number = 0): { words: PictureWord[]; elementWords: PictureWord[] } {
  const lines = readFileSync(source, 'utf8').split('\n')
  const start = lines.flatMap((line, index) =>
    /^ \* +at +type +word +written by$/.test(line) ? [index] : [],
  )[number]
  if (start === undefined) throw new Error(`no picture in ${source.pathname}`)
  const words: PictureWord[] = []
  const elementWords: PictureWord[] = []
  for (const line of lines.slice(start + 1)) {
    if (line.startsWith(' * ```')) return { words, elementWords }
    const match = /^ \* +(\+?)(\d+|…) {2,}(\S+) +(\S+(?: \S+)*)(?: {2,}(.*))?$/.exec(line)
    // A line that only continues the text of the last column is not a word.
    if (match === null) continue
    const [, sign, at, type, name, rest = ''] = match
    const word = { at: at === '…' ? undefined : Number(at), type, name, rest }
    if (sign === '+') elementWords.push(word)
    else words.push(word)
  }
  throw new Error(`the picture in ${source.pathname} has no end`)
}

/** Bytes of a word by its type in a picture: `u32`, `i32[2]`. 0 where it is open (`…`). */
export function typeBytes(type: string): number {
  const match = /^[uif](8|16|32|64)(?:\[(\d+)\])?$/.exec(type)
  return match === null ? 0 : (Number(match[1]) / 8) * Number(match[2] ?? 1)
}

/** The words that overlap, or that don't stand on a multiple of their size. */
export function misplacedWords(words: readonly PictureWord[]): string[] {
  const wrong: string[] = []
  let free = 0
  for (const { at = free, type, name } of words) {
    const element = typeBytes(type.replace(/\[\d+\]$/, ''))
    if (at < free) wrong.push(`${name} at ${at} overlaps the word before, which ends at ${free}`)
    if (element > 0 && at % element !== 0) wrong.push(`${name} at ${at} is not on a multiple of ${element}`)
    free = at + typeBytes(type)
  }
  return wrong
}

/** Name and offset of the words, as the exported constants have them. */
export function offsetsOf(words: readonly PictureWord[], rename: Record<string, string> = {}): object {
  return Object.fromEntries(
    words.filter(({ at }) => at !== undefined).map(({ name, at }) => [rename[name] ?? name, at]),
  )
}
