/**
 * Rules: which events a recording wants. The recording thread makes them and puts their text into
 * the control page; a thread that declares a tracepoint while a recording runs applies them itself.
 *
 * A rule is a name or a pattern (`pool:*`), `!` in front of it (not these), or an object that says
 * more. They are looked at in their order, and the last one that matches decides. If the first one
 * excludes, events that match none are wanted.
 */
import { baseNameOf, LEVELS, matchesPattern, type Level, type Schema } from '@rchan/ctf'
import type { Limits } from '@rchan/runtime/declaring'

/** A rule that says more than a pattern. */
export interface EventRule {
  /** A name, or a pattern, in which `*` stands for any characters. */
  readonly match: string
  /** Only events that are as important as this, or more. */
  readonly level?: Level
  /** Spans that are shorter are not kept. */
  readonly minDurationNs?: number
  /** Only every so many-th call of a thread is recorded. */
  readonly oneIn?: number
}

/** A pattern, `!` and a pattern, or a rule that says more. */
export type EventRules = readonly (string | EventRule)[]

const RULE_OPTIONS = ['match', 'level', 'minDurationNs', 'oneIn']

/**
 * Checks rules of a caller.
 *
 * @returns their text.
 * @throws TypeError or RangeError with the bad rule.
 */
export function rulesText(what: string, rules: unknown): string {
  if (!Array.isArray(rules)) {
    throw new TypeError(
      `${what}: events=${shown(rules)} is not a list of rules like ['pool:*', '!pool:debug']`,
    )
  }
  const list = (rules as unknown[]).map((rule) => {
    if (typeof rule === 'string') {
      checkPattern(what, rule.startsWith('!') ? rule.slice(1) : rule)
      return rule
    }
    if (typeof rule !== 'object' || rule === null) {
      throw new TypeError(
        `${what}: rule=${shown(rule)} is neither a pattern nor an object like { match: 'pool:*' }`,
      )
    }
    return checkedRule(what, rule as Record<string, unknown>)
  })
  return JSON.stringify(list)
}

function checkedRule(what: string, rule: Record<string, unknown>): EventRule {
  const { match, level, minDurationNs, oneIn } = rule
  checkPattern(what, match)
  for (const name of Object.keys(rule)) {
    if (!RULE_OPTIONS.includes(name)) {
      throw new TypeError(`${what}: rule ${shown(match)} has ${name}; there are ${RULE_OPTIONS.join(', ')}`)
    }
  }
  if (level !== undefined && (typeof level !== 'string' || !Object.hasOwn(LEVELS, level))) {
    throw new TypeError(
      `${what}: rule ${shown(match)} has level=${shown(level)}; the levels are ${Object.keys(LEVELS).join(', ')}`,
    )
  }
  const isDuration = typeof minDurationNs === 'number' && minDurationNs >= 0 && minDurationNs <= 1e15
  if (minDurationNs !== undefined && !isDuration) {
    throw new RangeError(
      `${what}: rule ${shown(match)} has minDurationNs=${shown(minDurationNs)}; give a number from 0 to 1e15`,
    )
  }
  if (oneIn !== undefined && !(Number.isInteger(oneIn) && Number(oneIn) >= 1 && Number(oneIn) <= 1e9)) {
    throw new RangeError(
      `${what}: rule ${shown(match)} has oneIn=${shown(oneIn)}; give a whole number from 1 to 1e9`,
    )
  }
  return {
    match: match as string,
    ...(level === undefined ? {} : { level: level as Level }),
    ...(minDurationNs === undefined ? {} : { minDurationNs }),
    ...(oneIn === undefined ? {} : { oneIn: oneIn as number }),
  }
}

function checkPattern(what: string, pattern: unknown): void {
  if (typeof pattern !== 'string' || pattern === '' || pattern.length > 200) {
    throw new TypeError(
      `${what}: pattern=${shown(pattern)}, expected a name, in which * stands for any characters`,
    )
  }
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

/** @returns rules from their text, which comes from another thread; undefined if they are none. */
export function parseRules(text: string): EventRules | undefined {
  try {
    const rules = JSON.parse(text) as unknown
    return Array.isArray(rules) ? (rules as EventRules) : undefined
  } catch {
    return undefined
  }
}

/**
 * Says what rules mean for a schema: undefined if its records are not wanted, else their limits.
 */
export function limitsFor(
  rules: EventRules,
  { name, kind = 'event', level = 'info' }: Schema,
): Limits | undefined {
  const first: unknown = rules[0]
  let wanted: Limits | undefined =
    first === undefined || (typeof first === 'string' && first[0] === '!') ? NO_LIMITS : undefined
  const base = baseNameOf(kind, name)
  for (let index = 0; index < rules.length; index += 1) {
    const rule = rules[index]
    if (typeof rule === 'string') {
      const excludes = rule[0] === '!'
      const pattern = excludes ? rule.slice(1) : rule
      if (matchesPattern(pattern, name) || matchesPattern(pattern, base))
        wanted = excludes ? undefined : NO_LIMITS
    } else if (matchesPattern(rule.match, name) || matchesPattern(rule.match, base)) {
      const isWanted = rule.level === undefined || LEVELS[level] <= LEVELS[rule.level]
      const minDurationNs = kind === 'span' ? (rule.minDurationNs ?? 0) : 0
      wanted = isWanted ? { minDurationNs, oneIn: rule.oneIn ?? 1 } : undefined
    }
  }
  return wanted
}

/** All records are wanted. */
const NO_LIMITS: Limits = { minDurationNs: 0, oneIn: 1 }
