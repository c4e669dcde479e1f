/**
 * Plain data with columns of numbers as few bytes, for a page that has to stay small.
 *
 * ```text
 * | u32 length | JSON | columns …
 * ```
 *
 * In the JSON a column stands as `{ "$": [way, offset, count] }`. Whole numbers are
 * variable-length: 7 bits in each byte, the lowest first, the eighth says that more follow; the
 * sign is the lowest bit. `delta` columns have the difference to the number before. Other numbers
 * are 64-bit floats. All words are little-endian. Runs in Node and in a browser.
 */

const WAYS = ['plain', 'delta', 'float'] as const
type Way = (typeof WAYS)[number]

class Writer {
  bytes = new Uint8Array(1 << 16)
  length = 0

  room(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count))
    larger.set(this.bytes)
    this.bytes = larger
  }

  whole(value: number): void {
    this.room(10)
    let rest = value < 0 ? -value * 2 - 1 : value * 2
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.bytes[this.length++] = rest
  }

  floats(values: Float64Array): void {
    this.room(values.length * 8)
    const view = new DataView(this.bytes.buffer)
    for (const value of values) {
      view.setFloat64(this.length, value, true)
      this.length += 8
    }
  }
}

/** Largest whole number whose double, and whose difference to another one, is exact. */
const LARGEST = Number.MAX_SAFE_INTEGER / 4

function written(writer: Writer, way: Way, values: Float64Array): Uint8Array {
  writer.length = 0
  if (way === 'float') writer.floats(values)
  else {
    let before = 0
    for (const value of values) {
      writer.whole(value - before)
      if (way === 'delta') before = value
    }
  }
  return writer.bytes.slice(0, writer.length)
}

/** Packs plain data. */
export function pack(data: unknown): Uint8Array {
  const columns: Uint8Array[] = []
  // One for all: there may be thousands of short columns.
  const writer = new Writer()
  let size = 0
  const text = JSON.stringify(data, (_, value: unknown) => {
    if (!(value instanceof Float64Array)) return value
    const areWhole = value.every((each) => Number.isInteger(each) && Math.abs(each) <= LARGEST)
    const ways: Way[] = areWhole ? ['plain', 'delta'] : ['float']
    const forms = ways.map((way) => ({ way, bytes: written(writer, way, value) }))
    forms.sort((a, b) => a.bytes.length - b.bytes.length)
    const [{ way, bytes }] = forms
    const place = { $: [WAYS.indexOf(way), size, value.length] }
    columns.push(bytes)
    size += bytes.length
    return place
  })
  const json = new TextEncoder().encode(text)
  const all = new Uint8Array(4 + json.length + size)
  new DataView(all.buffer).setUint32(0, json.length, true)
  all.set(json, 4)
  let at = 4 + json.length
  for (const column of columns) {
    all.set(column, at)
    at += column.length
  }
  return all
}

/** Gives back what `pack` was given. */
export function unpack(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const columns = 4 + view.getUint32(0, true)
  const text = new TextDecoder().decode(bytes.subarray(4, columns))
  return JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('$' in value)) return value
    const [way, offset, count] = value.$ as [number, number, number]
    const numbers = new Float64Array(count)
    let at = columns + offset
    if (WAYS[way] === 'float') {
      for (let index = 0; index < count; index += 1) numbers[index] = view.getFloat64(at + index * 8, true)
      return numbers
    }
    let before = 0
    for (let index = 0; index < count; index += 1) {
      let rest = 0
      let scale = 1
      let byte: number
      do {
        byte = bytes[at++]
        rest += (byte & 0x7f) * scale
        scale *= 0x80
      } while (byte >= 0x80)
      const number = (rest % 2 === 0 ? rest / 2 : -(rest + 1) / 2) + before
      numbers[index] = number
      if (WAYS[way] === 'delta') before = number
    }
    return numbers
  })
}
