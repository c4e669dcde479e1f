/**
 * Parses the types of a metadata text in the language of CTF 1.8: aliases, definitions, and types
 * where they are used. The text is untrusted. Any thread; never touches a file.
 */
import type { Tokens } from './tokens.js'
import {
  MAX_LEAVES,
  MAX_NESTING,
  treeWords,
  type ByteOrder,
  type EnumRange,
  type EnumType,
  type IntegerType,
  type StructType,
  type TreeMember,
  type TreeType,
  type VariantType,
} from './type-tree.js'

const BYTE_ORDERS: Readonly<Record<string, ByteOrder | 'native'>> = {
  le: 'le', be: 'be', network: 'be', native: 'native',
} // prettier-ignore
const BASES: Readonly<Record<string, 2 | 8 | 10 | 16>> = {
  decimal: 10, dec: 10, d: 10, i: 10, u: 10, '10': 10,
  hexadecimal: 16, hex: 16, x: 16, X: 16, p: 16, '16': 16,
  octal: 8, oct: 8, o: 8, '8': 8,
  binary: 2, b: 2, '2': 2,
} // prettier-ignore
/** Words that begin a type which has its own form. */
const TYPE_WORDS = new Set(['integer', 'floating_point', 'string', 'struct', 'variant', 'enum'])

/** The longest value of an attribute, in characters. */
const MAX_ATTRIBUTE = 200

/** The value of an attribute of a type, and where it stands. */
interface Attribute {
  readonly text: string
  readonly at: number
}

/** The types that have a name, in a block and those around it. */
class Scope {
  readonly types = new Map<string, TreeType>()
  constructor(readonly outer: Scope | undefined) {}

  find(name: string): TreeType | undefined {
    return this.types.get(name) ?? this.outer?.find(name)
  }
}

export class TypeParser {
  #scope = new Scope(undefined)
  #nesting = 0

  constructor(readonly source: Tokens) {}

  /** Runs `parse` in a scope of its own: names that it gives are gone behind it. */
  inScope<T>(parse: () => T): T {
    this.#scope = new Scope(this.#scope)
    try {
      return parse()
    } finally {
      this.#scope = this.#scope.outer as Scope
    }
  }

  /**
   * Parses an alias or a definition of a type, if one is there.
   *
   * @returns whether there was one.
   */
  definition(): boolean {
    const source: Tokens = this.source
    if (source.takes('typealias')) {
      const type = this.type()
      source.expect(':=')
      this.#define(this.#aliasName(), type)
    } else if (source.takes('typedef')) {
      const { type, names } = this.#declared()
      for (const { written, type: declared } of this.#declarators(type, names))
        this.#define(written, declared)
      return true
    } else if (source.is('struct') || source.is('variant') || source.is('enum')) {
      this.type()
    } else return false
    source.expect(';')
    return true
  }

  /** Parses a type that nothing follows but a sign. */
  type(): TreeType {
    const { type, names } = this.#declared()
    const [name] = names
    if (name !== undefined) this.source.fail('no name behind this type', name.text, name.at)
    return type
  }

  /** Parses a struct, or the name of one. */
  struct(): StructType {
    const { at } = this.source.token
    const type = this.type()
    if (type.kind !== 'struct') this.source.fail('a struct', treeWords(type), at)
    return type
  }

  /**
   * Parses a type, and the words behind it: a name of a type can be several words, so only what
   * follows tells where it ends.
   */
  #declared(): { type: TreeType; names: readonly Attribute[] } {
    const source: Tokens = this.source
    while (source.takes('const')) continue
    if (source.token.kind === 'word' && TYPE_WORDS.has(source.token.text)) {
      const type = this.#nested(() => this.#formed())
      return { type, names: this.#words() }
    }
    const words = this.#words()
    if (words.length === 0) source.fail('a type')
    for (let count = words.length; count > 0; count -= 1) {
      const name = words.slice(0, count).map(({ text }) => text)
      const type = this.#scope.find(name.join(' '))
      if (type !== undefined) return { type, names: words.slice(count) }
    }
    return source.failWith(
      `type ${words.map(({ text }) => text).join(' ')} is not declared before this place`,
      words[0].at,
    )
  }

  /** Takes words until something else is there. */
  #words(): Attribute[] {
    const source: Tokens = this.source
    const words: Attribute[] = []
    while (source.token.kind === 'word') {
      words.push({ text: source.token.text, at: source.token.at })
      if (words.length > 16) source.fail('a type of at most 16 words')
      source.next()
    }
    if (source.is('*')) source.failWith('a pointer: rchan has no such type')
    return words
  }

  #nested<T>(parse: () => T): T {
    if (this.#nesting >= MAX_NESTING) {
      this.source.failWith(`types are nested more than ${MAX_NESTING} deep`)
    }
    this.#nesting += 1
    try {
      return parse()
    } finally {
      this.#nesting -= 1
    }
  }

  #formed(): TreeType {
    const source: Tokens = this.source
    const { text, at } = source.token
    source.next()
    switch (text) {
      case 'integer':
        return this.#integer(at)
      case 'floating_point':
        return this.#float(at)
      case 'string': {
        const attributes = this.#attributes(['encoding'])
        this.#isText(attributes.get('encoding'))
        return { kind: 'string', at, alignBits: 8, leaves: 1, depth: 0 }
      }
      case 'struct':
        return this.#struct(at)
      case 'variant':
        return this.#variant(at)
      default:
        return this.#enum(at)
    }
  }

  #integer(at: number): IntegerType {
    const known = ['size', 'align', 'signed', 'byte_order', 'base', 'encoding', 'map']
    const attributes = this.#attributes(known)
    const size = attributes.get('size')
    if (size === undefined) this.source.failWith('an integer without size', at)
    const bits = Number(size.text)
    if (!(Number.isInteger(bits) && bits >= 1 && bits <= 64)) {
      this.source.failWith(
        `an integer of size=${size.text} bits: rchan has whole numbers of 1 to 64`,
        size.at,
      )
    }
    return {
      kind: 'integer',
      at,
      bits,
      alignBits: this.#align(attributes.get('align'), bits),
      leaves: 1,
      depth: 0,
      isSigned: this.#truth(attributes.get('signed')),
      order: this.#order(attributes.get('byte_order')),
      base: this.#oneOf(BASES, attributes.get('base'), 'base') ?? 10,
      isText: this.#isText(attributes.get('encoding')),
      clock: this.#clock(attributes.get('map')),
    }
  }

  #float(at: number): TreeType {
    const attributes = this.#attributes(['exp_dig', 'mant_dig', 'align', 'byte_order'])
    const form = `${attributes.get('exp_dig')?.text} ${attributes.get('mant_dig')?.text}`
    const bits = form === '8 24' ? 32 : form === '11 53' ? 64 : undefined
    if (bits === undefined) {
      const [exponent, mantissa] = form.split(' ')
      this.source.failWith(
        `a floating_point of exp_dig=${exponent}, mant_dig=${mantissa}: rchan has those of 32 bits (8, 24) and 64 bits (11, 53)`,
        at,
      )
    }
    return {
      kind: 'float',
      at,
      bits,
      alignBits: this.#align(attributes.get('align'), bits),
      order: this.#order(attributes.get('byte_order')),
      leaves: 1,
      depth: 0,
    }
  }

  #struct(at: number): TreeType {
    const source: Tokens = this.source
    const name = source.token.kind === 'word' ? source.word('a name') : undefined
    if (!source.is('{')) return this.#named(`struct ${name ?? ''}`, name, at)
    const members = this.inScope(() => this.#members())
    let alignBits = 1
    if (source.takes('align')) {
      source.expect('(')
      const where = source.token.at
      alignBits = this.#checkAlign(source.natural('an alignment in bits'), where)
      source.expect(')')
    }
    for (const { type } of members) alignBits = Math.max(alignBits, type.alignBits)
    const type: StructType = { kind: 'struct', at, members, alignBits, ...this.#sumOf(members, at) }
    if (name !== undefined) this.#define(`struct ${name}`, type)
    return type
  }

  #variant(at: number): TreeType {
    const source: Tokens = this.source
    const name = source.token.kind === 'word' ? source.word('a name') : undefined
    let tag: string | undefined
    if (source.takes('<')) {
      tag = this.#fieldPath()
      source.expect('>')
    }
    if (!source.is('{')) {
      const type = this.#named(`variant ${name ?? ''}`, name, at) as VariantType
      return tag === undefined ? type : { ...type, at, tag }
    }
    const options = this.inScope(() => this.#members())
    if (options.length === 0) source.failWith('a variant without options', at)
    const type: VariantType = { kind: 'variant', at, tag, options, alignBits: 1, ...this.#sumOf(options, at) }
    if (name !== undefined) this.#define(`variant ${name}`, type)
    return type
  }

  #enum(at: number): TreeType {
    const source: Tokens = this.source
    const name = source.token.kind === 'word' ? source.word('a name') : undefined
    let container: TreeType | undefined
    if (source.takes(':')) container = this.type()
    if (!source.is('{')) {
      if (container !== undefined) source.fail('{')
      return this.#named(`enum ${name ?? ''}`, name, at)
    }
    container ??= this.#scope.find('int')
    if (container === undefined) source.failWith('an enum without a type of integer, and no type int', at)
    if (container.kind !== 'integer') source.failWith(`an enum of ${treeWords(container)}`, at)
    const ranges = this.#ranges(container)
    const { alignBits } = container
    const type: EnumType = { kind: 'enum', at, container, ranges, alignBits, leaves: 1, depth: 0 }
    if (name !== undefined) this.#define(`enum ${name}`, type)
    return type
  }

  /** Parses the labels of an enumeration. They may end in a comma. */
  #ranges({ bits, isSigned }: IntegerType): EnumRange[] {
    const source: Tokens = this.source
    const least = isSigned ? -(1n << BigInt(bits - 1)) : 0n
    const most = (1n << BigInt(isSigned ? bits - 1 : bits)) - 1n
    const ranges: EnumRange[] = []
    let next = 0n
    source.expect('{')
    while (!source.takes('}')) {
      const { at } = source.token
      const label = source.token.kind === 'string' ? source.string('a label') : source.word('a label or }')
      let first = next
      let last = next
      if (source.takes('=')) {
        first = source.bigint('the number of a label')
        last = source.takes('...') ? source.bigint('the last number of a label') : first
      }
      if (first < least || last > most || last < first) {
        source.failWith(
          `label ${JSON.stringify(label)} has numbers ${first} to ${last}, expected some from ${least} to ${most}`,
          at,
        )
      }
      ranges.push({ label, first, last })
      next = last + 1n
      if (!source.takes(',') && !source.is('}')) source.fail(', or }')
    }
    if (ranges.length === 0) source.fail('a label of an enum', 'none')
    return ranges
  }

  #members(): TreeMember[] {
    const source: Tokens = this.source
    const members: TreeMember[] = []
    const names = new Set<string>()
    source.expect('{')
    while (!source.takes('}')) {
      if (source.is('typealias') || source.is('typedef')) {
        this.definition()
        continue
      }
      const { type, names: words } = this.#declared()
      if (words.length === 0 && source.takes(';')) continue // defines a type with a name
      for (const member of this.#declarators(type, words)) {
        if (names.has(member.name)) {
          source.failWith(
            `field ${member.name} is there twice (a leading underscore does not count)`,
            member.at,
          )
        }
        if (member.name === '__proto__') source.failWith('a field with the name __proto__', member.at)
        names.add(member.name)
        members.push(member)
        if (members.length > MAX_LEAVES) source.failWith(`more than ${MAX_LEAVES} fields`, member.at)
      }
    }
    return members
  }

  /** Parses what follows a type in a member: names with brackets, up to the semicolon. */
  #declarators(type: TreeType, names: readonly Attribute[]): TreeMember[] {
    const source: Tokens = this.source
    if (names.length === 0) source.fail('the name of a field')
    if (names.length > 1) source.fail('one name of a field', names[1].text, names[1].at)
    let { text: written, at } = names[0]
    const members: TreeMember[] = []
    for (;;) {
      const name = written.startsWith('_') && written.length > 1 ? written.slice(1) : written
      members.push({ name, written, type: this.#brackets(type), at })
      if (!source.takes(',')) break
      at = source.token.at
      written = source.word('the name of a field')
    }
    source.expect(';')
    return members
  }

  #brackets(of: TreeType): TreeType {
    const source: Tokens = this.source
    const { at } = source.token
    if (!source.takes('[')) return of
    const { alignBits, leaves } = of
    const common = { at: of.at, of, alignBits, leaves, depth: of.depth + 1 }
    const type: TreeType =
      source.token.kind === 'number'
        ? { kind: 'array', ...common, length: source.natural('a number of elements', 0xffffffff) }
        : { kind: 'sequence', ...common, length: this.#fieldPath() }
    source.expect(']')
    if (source.is('[')) source.failWith('an array of arrays: rchan has those of numbers', at)
    return type
  }

  /** The name of a field in the same struct or one around it. */
  #fieldPath(): string {
    const source: Tokens = this.source
    const { at } = source.token
    const name = source.word('the name of a field')
    if (source.is('.')) {
      source.failWith(`a field by its path (${name}.…): rchan has lengths and tags of the same struct`, at)
    }
    return name
  }

  #named(whole: string, name: string | undefined, at: number): TreeType {
    if (name === undefined) this.source.fail('{')
    const type = this.#scope.find(whole)
    if (type === undefined) this.source.failWith(`${whole} is not declared before this place`, at)
    return type
  }

  #define(name: string, type: TreeType): void {
    if (this.#scope.types.has(name)) this.source.failWith(`type ${name} is declared twice`)
    this.#scope.types.set(name, type)
  }

  /** The name that an alias gives: words, or `struct NAME` and the like. */
  #aliasName(): string {
    const words = this.#words()
    if (words.length === 0) this.source.fail('the name of a type')
    return words.map(({ text }) => text).join(' ')
  }

  #sumOf(members: readonly TreeMember[], at: number): { leaves: number; depth: number } {
    let leaves = 1
    let depth = 0
    for (const { type } of members) {
      leaves += type.leaves
      depth = Math.max(depth, type.depth + 1)
    }
    if (leaves > MAX_LEAVES) this.source.failWith(`a type of more than ${MAX_LEAVES} fields`, at)
    if (depth > MAX_NESTING) this.source.failWith(`types are nested more than ${MAX_NESTING} deep`, at)
    return { leaves, depth }
  }

  /** Parses `{ size = 8; … }`, if it is there. */
  #attributes(known: readonly string[]): Map<string, Attribute> {
    const source: Tokens = this.source
    const attributes = new Map<string, Attribute>()
    if (!source.takes('{')) return attributes
    while (!source.takes('}')) {
      const { at } = source.token
      const name = source.word('an attribute or }')
      if (!known.includes(name)) source.fail(`one of ${known.join(', ')}`, name, at)
      source.expect('=')
      const where = source.token.at
      let text = ''
      while (!source.is(';')) {
        if (source.token.kind === 'end' || source.is('{') || source.is('}')) source.fail(';')
        if (text.length > MAX_ATTRIBUTE) source.fail(`a value of at most ${MAX_ATTRIBUTE} characters`)
        if (source.token.kind === 'number') text += String(source.bigint('a number'))
        else {
          text += source.token.text
          source.next()
        }
      }
      source.expect(';')
      attributes.set(name, { text, at: where })
    }
    return attributes
  }

  #align(attribute: Attribute | undefined, bits: number): number {
    if (attribute === undefined) return bits % 8 === 0 ? 8 : 1
    return this.#checkAlign(Number(attribute.text), attribute.at)
  }

  #checkAlign(bits: number, at: number): number {
    if (Number.isInteger(bits) && bits >= 1 && bits <= 4096 && (bits & (bits - 1)) === 0) return bits
    return this.source.failWith(`align=${bits}: expected a power of two, at most 4096`, at)
  }

  #truth(attribute: Attribute | undefined): boolean {
    if (attribute === undefined || /^(?:false|FALSE|0)$/.test(attribute.text)) return false
    if (!/^(?:true|TRUE|1)$/.test(attribute.text)) {
      this.source.fail('true or false', attribute.text, attribute.at)
    }
    return true
  }

  #order(attribute: Attribute | undefined): ByteOrder | undefined {
    const order = this.#oneOf(BYTE_ORDERS, attribute, 'byte_order')
    return order === 'native' ? undefined : order
  }

  #isText(attribute: Attribute | undefined): boolean {
    if (attribute === undefined || attribute.text === 'none') return false
    if (!/^(?:UTF-?8|ASCII)$/i.test(attribute.text)) {
      this.source.fail('one of none, UTF8, ASCII', attribute.text, attribute.at)
    }
    return true
  }

  #clock(attribute: Attribute | undefined): string | undefined {
    if (attribute === undefined) return undefined
    const name = /^clock\.(.+)\.value$/.exec(attribute.text)?.[1]
    if (name === undefined) this.source.fail('clock.NAME.value', attribute.text, attribute.at)
    return name
  }

  #oneOf<T>(
    known: Readonly<Record<string, T>>,
    attribute: Attribute | undefined,
    name: string,
  ): T | undefined {
    if (attribute === undefined) return undefined
    if (Object.hasOwn(known, attribute.text)) return known[attribute.text]
    return this.source.fail(
      `${name} to be one of ${Object.keys(known).join(', ')}`,
      attribute.text,
      attribute.at,
    )
  }
}
