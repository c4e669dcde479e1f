/**
 * The first bad argument of each tracepoint, for the summary. Runs on the thread that records; the
 * threads that trace make the texts (misfit.ts).
 */
import { parseSchema } from '@rchan/ctf'
import { thisCpu } from '@rchan/runtime'
import type { RecordingTotals } from '@rchan/runtime/recorder'

/**
 * Returns sentences like `a:b: at=-1 is no u32`, in the order of the tracepoints' ids. Never
 * throws, like `warningsOf`.
 */
export function badArgumentsOf({ remarks }: RecordingTotals): string[] {
  try {
    return sentences(remarks)
  } catch (error) {
    return [`the bad arguments could not be named: ${(error as Error | undefined)?.message}`]
  }
}

function sentences(remarks: RecordingTotals['remarks']): string[] {
  const { found } = thisCpu.control.entries()
  return remarks.flatMap(({ id, text }) => {
    const schema = parseSchema(found.find((entry) => entry.id === id)?.text ?? '')
    return schema === undefined ? [] : [`${schema.name}: ${printable(text)}`]
  })
}

/** A text may come from anywhere: nothing in it controls a terminal. */
function printable(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )
}
