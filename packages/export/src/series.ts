/** The series of a counter: each field that is a number. */
import type { EventClass } from '@rchan/ctf/reader'

/** One series. */
export interface Series {
  readonly field: string
  /** What it is called: the counter's name alone, if it has no other series. */
  readonly name: string
  readonly unit: string | undefined
  readonly isDouble: boolean
}

/** Returns the series of a counter's class. */
export function seriesOf({ name, fields }: EventClass): Series[] {
  const numbers = fields.flatMap(({ name: field, type }) => {
    const node = typeof type === 'string' ? { type } : type
    const inner = node.type === 'optional' ? node.of : node
    const word = typeof inner === 'string' ? inner : inner.type
    if (!/^[uif]\d+$/.test(word)) return []
    const unit = typeof inner === 'object' && 'unit' in inner ? inner.unit : undefined
    return [{ field, unit, isDouble: word.startsWith('f') }]
  })
  const isAlone = numbers.length === 1 && numbers[0].field === 'value'
  return numbers.map((series) => ({ ...series, name: isAlone ? name : `${name}.${series.field}` }))
}
