/** Which events a recording wants. */
import { describe, expect, test } from 'vitest'
import type { RecordingSummary } from '@rchan/trace'
import { freshFolder, opened, printed, run } from './process.ts'

describe.each([
  ['per-thread', []],
  ['global', []],
  ['per-thread', ['--disallow-code-generation-from-strings']],
] as const)('in a recording with buffers %s, node %j', (buffers, nodeArgs) => {
  test('rules say which events are wanted; they reach threads that never yield, and tracepoints to come', async () => {
    const folder = freshFolder()
    const { summary, errors } = printed(
      await run('rules.mjs', [folder, JSON.stringify({ buffers })], nodeArgs),
    ) as { readonly summary: RecordingSummary; readonly errors: string[] }
    const seen = new Map<string, unknown[]>()
    for (const { event, fields } of opened(summary)) {
      seen.set(event.name, [...(seen.get(event.name) ?? []), fields.n])
    }
    expect(Object.fromEntries(seen)).toEqual({
      'pool:late': [1, 2],
      'pool:one': [1, 10],
      'pool:task:begin': [1],
      'pool:task:end': [undefined],
      'pool:many': [1, 1],
      'tile:decode': [101],
      other: [2, 11],
    })
    // 8 of 10 calls, and two short spans.
    expect(summary.filtered).toBe(10)
    expect(summary.discarded).toBe(0)
    expect(summary.warnings).toEqual([
      expect.stringMatching(/no tracepoint .* matches nothing:\*:/) as string,
    ])
    expect(errors).toEqual([
      'Error: enable: the recording was stopped',
      expect.stringMatching(/events="pool:\*" is not a list of rules/) as string,
      expect.stringMatching(/rule "a" has level="loud"; the levels are critical, error/) as string,
      expect.stringMatching(/rule "a" has oneIn=0; give a whole number/) as string,
      expect.stringMatching(/rule "a" has every; there are match, level/) as string,
      expect.stringMatching(/pattern="", expected a name/) as string,
    ])
  })
})
