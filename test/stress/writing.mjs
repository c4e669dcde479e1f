/**
 * How a thread of a stress test writes, whatever it writes to: at its own pace, until it is told to
 * stop or is terminated.
 */
import { LIFE } from './life.mjs'

/**
 * Writes, and counts each attempt in the life.
 *
 * @param plan `recordsAtOnce`, `pace`, and the chances of what happens between records.
 * @param writer `put(number)`: one record; returns whether it was accepted, undefined if it was
 * given up. `putTooBig(number)`: the same of one that can't fit. `between()`: what else happens
 * between records.
 */
export function writeUntilStopped(life, random, plan, { firstNumber = 0, put, putTooBig, between }) {
  let number = firstNumber
  life.raise(LIFE.begun)
  while (!life.flag(LIFE.stop)) {
    // Most of a writer's time is to go into writing: that is where it is to be terminated.
    for (let records = random.whole(0, plan.recordsAtOnce); records >= 0; records -= 1) {
      life.add(LIFE.attempted)
      const accepted = put(number)
      if (accepted === true) {
        number += 1
        life.add(LIFE.accepted)
      } else if (accepted === false) {
        life.add(LIFE.refused)
        if (random.chance(plan.waitChance)) life.sleep(random.scaled(0.01, 2))
      }
    }
    if (random.chance(plan.tooBigChance)) {
      life.add(LIFE.attempted)
      if (putTooBig(number) !== false) throw new Error('a record that is too big was accepted')
      life.add(LIFE.tooBig)
    }
    between?.()
    if (random.chance(plan.pauseChance)) pause(life, random, plan.pace)
  }
}

function pause(life, random, pace) {
  switch (pace) {
    case 'bursts':
      life.sleep(random.scaled(0.01, 20))
      break
    case 'slow':
      life.sleep(random.scaled(0.01, 2))
      break
    case 'spins':
      for (let i = random.whole(0, 10_000); i > 0; i -= 1);
      break
    default:
  }
}
