/**
 * The interned strings of a recording: a table in its arena, in which each text has a number, from
 * 1. On every thread that traces, and on the consumer thread.
 */
import type { Machine } from './machine.js'
import { TABLE_START, TextTable, type TableCursor } from './text-table.js'

/** Bytes of the table. Memory that no text needs is not used. */
export const STRINGS_BYTES = 2 ** 19
/** The most strings of a recording. */
export const MAX_STRINGS = 16_384
/** The number of a text for which the table has no room. */
export const NO_STRING_NUMBER = 0

/** The strings of a recording, as the calling thread sees them. */
export class Strings {
  readonly #table: TextTable
  /** The numbers of the texts that this thread has seen in the table. */
  #numbers = Object.create(null) as Record<string, number | undefined>
  #next: TableCursor = TABLE_START
  /** The text that was asked for last, and its number: names repeat. */
  #text: string | undefined
  #number = NO_STRING_NUMBER
  #isFull = false
  /** What the consumer has read, and the number of changes so far. */
  readonly #texts: string[] = []
  #nextRead: TableCursor = TABLE_START
  version = 0

  constructor(machine: Machine, memory: SharedArrayBuffer, at: number) {
    this.#table = new TextTable(machine, memory, at, STRINGS_BYTES, MAX_STRINGS)
  }

  /** Returns the number of a text, which enters the table if it is new; 0 if the table is full. */
  intern(text: string): number {
    if (text === this.#text) return this.#number
    const number = this.#numbers[text] ?? this.#enter(text)
    if (number !== NO_STRING_NUMBER) {
      this.#text = text
      this.#number = number
    }
    return number
  }

  /**
   * Consumer: reads the texts that have come since the last call. The first one has the number 1. A
   * text that is still being entered is empty, until it is there.
   */
  texts(): readonly string[] {
    const { found, next, waiting } = this.#table.entries(this.#nextRead)
    // The place stays before the first text that is still being entered.
    this.#nextRead = waiting.length === 0 ? next : waiting[0]
    const texts = this.#texts
    for (const { id, text } of found) {
      while (texts.length < id) texts.push('')
      if (texts[id] !== text) this.version += 1
      texts[id] = text
    }
    return texts
  }

  /** Consumer: the text of a number; empty if there is none. */
  textOf(number: number): string {
    return this.texts()[number - 1] ?? ''
  }

  /** Empties the table. See `TextTable`. */
  clear(): void {
    this.#table.clear()
  }

  #enter(text: string): number {
    if (this.#isFull) return NO_STRING_NUMBER
    try {
      const { found, next } = this.#table.entries(this.#next)
      this.#next = next
      for (let index = 0; index < found.length; index += 1) {
        this.#numbers[found[index].text] = found[index].id + 1
      }
      const known = this.#numbers[text]
      if (known !== undefined) return known
      // The format's strings can't hold NUL.
      const id = this.#table.declare(text.includes('\0') ? text.replaceAll('\0', '\u2400') : text, next)
      if (id === undefined) {
        this.#isFull = next.id >= MAX_STRINGS
        return NO_STRING_NUMBER
      }
      this.#numbers[text] = id + 1
      return id + 1
    } catch {
      // The table is damaged, or the stack is full.
      return NO_STRING_NUMBER
    }
  }
}
