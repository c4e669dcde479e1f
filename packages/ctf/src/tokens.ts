/**
 * The words, numbers, strings and signs of a metadata text. Both parsers take them from here: that
 * of our own traces (`tsdl.ts`), and that of others' (`declarations.ts`). The text is untrusted.
 * Any thread; never touches a file.
 */
import { parseUuid } from './metadata.js'
import { TraceError } from './trace-error.js'

export interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'mark' | 'end'
  /** The value of a string, without quotes and escapes; otherwise the text itself. */
  readonly text: string
  /** Where it begins in the text. Messages say it as line and column. */
  readonly at: number
}

const TAB = 9
const NEWLINE = 10
const RETURN = 13
const BLANK = 32
const SLASH = 47
const STAR = 42
const UNDERSCORE = 95
/** Names in messages come from the text, and may be long. */
const MAX_MESSAGE = 1000
const NUMBER = /-?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)[uUlL]{0,3}/y
const MARK = /:=|\.\.\.|[{}[\]():;=,.<>*]/y
const ESCAPE = /\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|([abfnrtv"'?\\]))/y
const ESCAPED: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 }

/** Splits a text into tokens, and holds the current one. */
export class Tokens {
  token: Token = { kind: 'end', text: '', at: 0 }
  private at = 0

  constructor(
    private readonly text: string,
    readonly path: string,
  ) {
    this.next()
  }

  /** Steps over a sign if it is there. @returns whether it was. */
  takes(mark: string): boolean {
    const isThere = this.is(mark)
    if (isThere) this.next()
    return isThere
  }

  /** Whether the text is at its end. */
  get isEnd(): boolean {
    return this.token.kind === 'end'
  }

  /** Whether the current token is this word or sign. */
  is(text: string): boolean {
    return this.token.text === text && this.token.kind !== 'string'
  }

  /** @returns the place of the current token, for {@link reset}. */
  mark(): { readonly at: number; readonly token: Token } {
    return { at: this.at, token: this.token }
  }

  /** Goes back to a token. */
  reset({ at, token }: ReturnType<Tokens['mark']>): void {
    this.at = at
    this.token = token
  }

  /** Steps to the next token. */
  next(): void {
    this.skipBlank()
    const { at } = this
    const first = this.text[at]
    if (first === undefined) {
      this.token = { kind: 'end', text: '', at }
    } else if (first === '"') {
      this.token = { kind: 'string', text: this.takeString(), at }
    } else {
      const word = this.takeWord()
      const number = word === undefined ? this.take(NUMBER) : undefined
      const text = word ?? number ?? this.take(MARK)
      if (text === undefined) this.fail('a word, a number, a string or a sign', JSON.stringify(first), at)
      this.token = { kind: word ? 'word' : number ? 'number' : 'mark', text, at }
    }
  }

  /** Steps over these words and signs. @throws TraceError if others are there. */
  expect(...texts: string[]): void {
    for (const text of texts) {
      if (!this.is(text)) this.fail(text)
      this.next()
    }
  }

  expectString(text: string): void {
    if (this.token.kind !== 'string' || this.token.text !== text) this.fail(`"${text}"`)
    this.next()
  }

  word(expected: string): string {
    return this.value('word', expected)
  }

  string(expected: string): string {
    return this.value('string', expected)
  }

  /** Takes a whole number of any size that a trace can hold. */
  bigint(expected: string, bits = 64): bigint {
    const { at } = this.token
    const text = this.value('number', expected).replace(/[uUlL]+$/, '')
    const digits = text.replace('-', '')
    const isOctal = /^0[0-7]+$/.test(digits)
    if (digits.length > 66) this.fail(`a number of at most ${bits} bits`, `${text.slice(0, 66)}…`, at)
    if (!isOctal && /^0[0-9]+$/.test(digits)) this.fail(expected, text, at)
    const number = BigInt(isOctal ? `0o${digits.slice(1)}` : digits)
    return text.startsWith('-') ? -number : number
  }

  integer(expected: string): number {
    const { at } = this.token
    const number = Number(this.bigint(expected, 53))
    if (!Number.isSafeInteger(number)) this.fail('a number of at most 53 bits', String(number), at)
    return number
  }

  natural(expected: string, most = Number.MAX_SAFE_INTEGER): number {
    const { at } = this.token
    const number = this.integer(expected)
    if (number < 0 || number > most) this.fail(`${expected}, from 0 to ${most}`, String(number), at)
    return number
  }

  uuid(): string {
    const { at } = this.token
    const text = this.string('a uuid')
    try {
      parseUuid(text)
    } catch {
      this.fail('a uuid', JSON.stringify(text), at)
    }
    return text
  }

  fail(expected: string, found = this.found(), at = this.token.at): never {
    this.failWith(`expected ${expected}, found ${found}`, at)
  }

  /** Throws what is wrong, with its line and column. */
  failWith(what: string, at = this.token.at): never {
    const shown = what.length > MAX_MESSAGE ? `${what.slice(0, MAX_MESSAGE)}…` : what
    throw new TraceError(this.path, shown, this.placeOf(at))
  }

  found(): string {
    const { kind, text } = this.token
    if (kind === 'end') return 'the end of the file'
    const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text
    return kind === 'string' ? JSON.stringify(shown) : shown
  }

  /** Line and column are counted here, so that tokens need not have them. */
  private placeOf(at: number): { line: number; column: number } {
    const { text } = this
    let line = 1
    let start = 0
    for (;;) {
      const end = text.indexOf('\n', start)
      if (end < 0 || end >= at) break
      line += 1
      start = end + 1
    }
    return { line, column: at - start + 1 }
  }

  private value(kind: Token['kind'], expected: string): string {
    if (this.token.kind !== kind) this.fail(expected)
    const { text } = this.token
    this.next()
    return text
  }

  /** Skips white space and comments. By hand: a pattern would run out of stack on long ones. */
  private skipBlank(): void {
    const { text } = this
    for (;;) {
      const code = text.charCodeAt(this.at)
      if (code === SLASH && text.charCodeAt(this.at + 1) === STAR) {
        const end = text.indexOf('*/', this.at + 2)
        if (end < 0) this.fail('the end of a comment, */', 'none', this.at)
        this.at = end + 1
      } else if (code === SLASH && text.charCodeAt(this.at + 1) === SLASH) {
        const end = text.indexOf('\n', this.at)
        this.at = end < 0 ? text.length : end
      } else if (code !== BLANK && code !== TAB && code !== NEWLINE && code !== RETURN) return
      this.at += 1
    }
  }

  private takeWord(): string | undefined {
    const { text } = this
    let end = this.at
    for (; ; end += 1) {
      const code = text.charCodeAt(end) | 32
      const isLetter = (code >= 97 && code <= 122) || text.charCodeAt(end) === UNDERSCORE
      if (isLetter) continue
      const isDigit = text.charCodeAt(end) >= 48 && text.charCodeAt(end) <= 57
      if (!isDigit || end === this.at) break
    }
    if (end === this.at) return undefined
    const word = text.slice(this.at, end)
    this.at = end
    return word
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    const match = pattern.exec(this.text)?.[0]
    if (match !== undefined) this.at += match.length
    return match
  }

  /**
   * Takes a string literal. This is a loop because a pattern would run out of stack on a long
   * hostile one.
   */
  private takeString(): string {
    const from = this.at + 1
    let end = from
    for (let char = this.text[end]; char !== '"'; char = this.text[end]) {
      if (char === undefined || char === '\n') this.fail('a closing "', 'none', this.at)
      end += char === '\\' ? 2 : 1
    }
    const literal = this.text.slice(from, end)
    this.at = end + 1
    return literal.includes('\\') ? this.unescape(literal, from) : literal
  }

  /** Escapes stand for bytes: several of them can be one character. */
  private unescape(literal: string, from: number): string {
    const bytes = Buffer.allocUnsafe(Buffer.byteLength(literal))
    let end = 0
    let at = 0
    for (;;) {
      const next = literal.indexOf('\\', at)
      end += bytes.write(literal.slice(at, next < 0 ? literal.length : next), end)
      if (next < 0) return bytes.toString('utf8', 0, end)
      ESCAPE.lastIndex = next
      const [whole, hex, octal, sign] = ESCAPE.exec(literal) ?? []
      if (whole === undefined) {
        this.fail(
          'one of the escapes \\n \\t \\" \\\\ \\ooo \\xhh and others of C',
          literal.slice(next, next + 2),
          from + next,
        )
      }
      if (hex !== undefined) bytes[end] = Number.parseInt(hex, 16)
      else if (octal !== undefined) bytes[end] = Number.parseInt(octal, 8)
      else bytes[end] = ESCAPED[sign] ?? sign.charCodeAt(0)
      end += 1
      at = next + whole.length
    }
  }
}
