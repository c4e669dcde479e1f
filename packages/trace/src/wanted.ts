/**
 * The events that a recording wants: its rules, as they change while it runs. Runs on the thread
 * that records.
 */
import { parseSchema, type Schema } from '@rchan/ctf'
import { thisCpu } from '@rchan/runtime'
import { limitsFor, parseRules, rulesText, type EventRules } from './rules.js'

export class WantedEvents {
  #rules: EventRules

  /** @param rules of the caller. @throws TypeError, RangeError: see `rulesText`. */
  constructor(what: string, rules: unknown) {
    this.#rules = rules === undefined ? [] : (parseRules(rulesText(what, rules)) ?? [])
  }

  /** The rules as text; empty if all events are wanted. */
  get text(): string {
    return this.#rules.length === 0 ? '' : JSON.stringify(this.#rules)
  }

  /** Applies the rules to all tracepoints. Call it when the recording runs. */
  apply(): void {
    const { control } = thisCpu
    const { generation } = control
    if (generation === 0) return
    for (const { id, schema } of schemas()) control.want(id, generation, limitsFor(this.#rules, schema))
  }

  /**
   * Adds rules to those that are there.
   *
   * @throws TypeError, RangeError for bad ones, or too many; then nothing has changed.
   */
  add(what: string, rules: unknown): void {
    const added = parseRules(rulesText(what, rules)) ?? []
    // The first of them must not decide what is with events that match none.
    const before = this.#rules.length === 0 ? ['*'] : this.#rules
    const all = [...before, ...added]
    thisCpu.control.setRules(JSON.stringify(all))
    this.#rules = all
    this.apply()
  }

  /** Patterns that match no tracepoint: a typing error, perhaps. */
  unmatched(): string[] {
    const known = [...schemas()].map(({ schema }) => schema)
    return this.#rules
      .map((rule) => (typeof rule === 'string' ? rule : rule.match))
      .map((pattern) => (pattern.startsWith('!') ? pattern.slice(1) : pattern))
      .filter(
        (pattern) => pattern !== '*' && !known.some((schema) => limitsFor([pattern], schema) !== undefined),
      )
  }
}

function* schemas(): IterableIterator<{ readonly id: number; readonly schema: Schema }> {
  for (const { id, text } of thisCpu.control.entries().found) {
    const schema = parseSchema(text)
    if (schema !== undefined) yield { id, schema }
  }
}
