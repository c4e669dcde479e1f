import { Largest } from '@rchan/analysis'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

test('the largest are kept, whatever their order; half of them, and no more than that, after shrinking', () => {
  const steps = fc.array(fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constant('shrink' as const)), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(steps, (all) => {
      const largest = new Largest<string>(20)
      let most = 20
      let kept: number[] = []
      for (const step of all) {
        if (step === 'shrink') {
          largest.shrink()
          most = kept.length >> 1
        } else {
          largest.add(step, `${step}`)
          kept.push(step)
        }
        kept = kept.sort((a, b) => b - a).slice(0, most)
      }
      expect(largest.count).toBe(kept.length)
      expect(largest.sorted()).toEqual(kept.map(String))
    }),
    { seed: 8, numRuns: 500 },
  )
})
