/** A thread that sleeps until it is woken, says when that was, and sleeps again. */
import { workerData } from 'node:worker_threads'
import { Doorbell, DOORBELL_WORDS } from '@rchan/sync'
import { SLEEPER, type SleeperData } from './sleeper.js'

// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
const now = process.hrtime.bigint
const { kind, words, wokenAt } = workerData as SleeperData

function goesToSleep(): void {
  Atomics.store(words, SLEEPER.goesToSleep, 1)
  Atomics.notify(words, SLEEPER.goesToSleep)
}

if (kind === 'bare') {
  for (;;) {
    const ticket = Atomics.load(words, SLEEPER.bell)
    goesToSleep()
    Atomics.wait(words, SLEEPER.bell, ticket)
    wokenAt[0] = now()
  }
}
const bell = new Doorbell(words.subarray(SLEEPER.bell, SLEEPER.bell + DOORBELL_WORDS))
for (;;) {
  const ticket = bell.announce()
  goesToSleep()
  bell.sleep(ticket, Infinity)
  wokenAt[0] = now()
}
