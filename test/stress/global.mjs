/**
 * The modes `global-discard` and `global-overwrite`: one buffer that several threads write at once.
 * Each of them ends or is terminated at a random moment. The reader cleans up after it, and another
 * thread takes a slot and goes on. The reader runs on its own thread or on the main thread, which
 * starts and ends the others.
 *
 * Forbidden:
 *
 * - a torn record is delivered, or a byte that no writer wrote, or room without a record is not
 *   reported as a hole;
 * - a header that counts as filled does not have its writer's content, or has an older header's;
 * - a record of a thread is delivered twice, or before one with a lower number;
 * - a time is less than the time of an earlier record or header, of any thread;
 * - in discard mode an accepted record is missing, or a record is counted as overwritten;
 * - the refused, written or abandoned records differ from the counts, by cause;
 * - the books of the round are not exact: attempted = delivered + overwritten + discarded + torn +
 *   traceless, where each thread that was terminated has at most one attempt that was torn or left
 *   no trace, and another none;
 * - after a death, the slot is not freed, a thread that starts gets no slot or none of its records
 *   accepted, or something remains that can't be delivered (30 s).
 *
 * If several threads are dead at once, the reader may have to abandon whole records together with
 * doubtful ones. They are counted as torn. In half of the rounds only one thread dies at a time;
 * there that is forbidden, too.
 */
import { setTimeout } from 'node:timers/promises'
import { MIN_GLOBAL_BYTES } from '../global-records.mjs'
import { startFrom } from '../global-start.mjs'
import { ENDED, FINALIZED, GlobalDrain, GOING_ON } from './global-drain.mjs'
import { LENGTH_KINDS } from './lengths.mjs'
import { DEAD, Life, LIFE, lifeMemory, RETIRED } from './life.mjs'
import { READER_PACES, ReaderPace } from './pace.mjs'
import { derive, Random } from './random.mjs'
import { inTime, Threads, until } from './threads.mjs'

/** The most threads of one round, one after the other. */
const MOST_LIVES = 400
/** A thread goes on if that many of its records are accepted. */
const ENOUGH = 10

/** How many sub-buffers were started, and units committed at each place, before the round. */
function chooseHistory(random, subbufCount, mostTags) {
  const before = (wrap) => wrap - random.whole(1, 100)
  const started = random.pick([0, 0, before(2 ** 31), before(2 ** 32), before((mostTags ?? 1000) * 1000)])
  return { started, committed: started === 0 ? 0 : before(random.pick([2 ** 31, 2 ** 32])) }
}

/**
 * All random choices of a round, so that they can be printed. The threads' choices follow from the
 * seeds.
 */
function choose(mode, seed, random) {
  const unitBytes = random.pick([1, 2, 4, 8])
  const wholeUnits = (bytes) => Math.ceil(bytes / unitBytes) * unitBytes
  const subbufCount = random.pick([1, 2, 3, 5, 7, 8])
  const headerBytes = random.chance(0.4) ? 0 : wholeUnits(random.pick([1, 8, 16, random.whole(1, 100)]))
  const least = MIN_GLOBAL_BYTES
  const capacity = wholeUnits(
    random.pick([random.whole(least, 64), random.whole(65, 1000), 4096, random.whole(4096, 20_000)]),
  )
  const chains = random.whole(2, 4)
  const mostTags = random.pick([undefined, undefined, 2 * subbufCount, 5 * subbufCount])
  return {
    geometry: {
      subbufSize: headerBytes + capacity,
      subbufCount,
      mode,
      headerBytes,
      unitBytes,
      maxWriters: chains + random.pick([0, 0, 1, 5]),
      ...(mostTags === undefined ? {} : { mostTags }),
    },
    history: chooseHistory(random, subbufCount, mostTags),
    forMs: random.whole(300, 2000),
    reader: { isThread: random.chance(0.5), pace: random.pick(READER_PACES), seed: derive(seed, 'reader') },
    lengths: Array.from({ length: chains }, (_, chain) => ({
      kind: random.pick(LENGTH_KINDS),
      seed: derive(seed, 'lengths', chain),
      capacity,
    })),
    plan: {
      killsAtOnce: random.chance(0.5),
      finalizes: random.chance(0.2),
      flushChance: random.pick([0.01, 0.5]),
      partChance: random.pick([0, 0.1, 1]),
    },
  }
}

/** The options of one life of a writer. */
function chooseLife(seed, chain, turn) {
  const random = new Random(derive(seed, 'life', chain, turn))
  const ending = random.pick(['killed', 'killed', 'killed', 'killed while it starts', 'stops'])
  return {
    seed: derive(seed, 'writer', chain, turn),
    ending,
    afterMs: random.scaled(0.3, ending === 'killed while it starts' ? 40 : 300),
    plan: {
      writeChance: random.pick([0, 0.5, 1]),
      pace: random.pick(['full speed', 'full speed', 'bursts', 'slow', 'spins']),
      recordsAtOnce: random.pick([1, 10, 100, 1000]),
      pauseChance: random.pick([0.1, 1]),
      flushChance: random.pick([0, 0.05, 0.5]),
      tooBigChance: random.pick([0, 0.1]),
      badChance: random.pick([0, 0.1]),
      giveUpChance: random.pick([0, 0, 0, 0.0001, 0.01]),
      dwellChance: random.pick([0, 0, 0.001, 0.3]),
      waitChance: random.pick([0.001, 0.1, 1]),
      excessBytes: random.pick([0, 5, 40_000]),
    },
  }
}

/** A round that is under way. */
class Round {
  kills = 0
  #seed
  #choices
  #buffer
  #lives = lifeMemory(MOST_LIVES)
  #threads = new Threads(import.meta.url)
  #endAtMs
  #ending = new Int32Array(new SharedArrayBuffer(4))
  #over = false
  /** The end of the last death, where one at a time may die. */
  #lastDeath = Promise.resolve()

  constructor(seed, choices) {
    const { geometry, history, forMs } = choices
    this.#seed = seed
    this.#choices = choices
    this.#buffer = startFrom(geometry, history.started, history.committed)
    this.#endAtMs = performance.now() + forMs
  }

  /** @returns the reader's sums. @throws Error for a forbidden outcome. */
  async run() {
    const { lengths, plan, reader } = this.#choices
    const shared = { lives: this.#lives, lengths, plan, ending: this.#ending, ...reader }
    try {
      const reading = reader.isThread ? this.#readApart(shared) : this.#readHere(shared)
      const writing = Promise.all([this.#finalize(), ...lengths.map((_, chain) => this.#writers(chain))])
      const all = writing.then(() => {
        Atomics.store(this.#ending, 0, ENDED)
        return inTime(reading, 'the reader does not end')
      })
      const [sums] = await Promise.all([reading, all])
      return sums
    } finally {
      this.#over = true
      await this.#threads.endAll()
    }
  }

  async #finalize() {
    await setTimeout(this.#endAtMs - performance.now())
    Atomics.store(this.#ending, 0, FINALIZED)
  }

  async #readApart(shared) {
    const { thread, ended } = this.#threads.start('global-reader-thread.mjs', {
      ...shared,
      memory: this.#buffer.memory,
    })
    let result
    thread.once('message', (message) => {
      result = message
    })
    await ended
    if (result?.sums === undefined) throw new Error(result?.forbidden ?? 'the reader’s thread ended early')
    return result.sums
  }

  async #readHere(shared) {
    const drain = new GlobalDrain(this.#buffer, shared)
    const paces = new ReaderPace(shared.pace, shared.seed)
    while (Atomics.load(this.#ending, 0) !== ENDED) {
      paces.turn(drain)
      if (this.#over) break
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    return drain.finish()
  }

  /** One writer after the other, until the round is over. */
  async #writers(chain) {
    const { lengths } = this.#choices
    for (let turn = 0; turn === 0 || (performance.now() < this.#endAtMs && !this.#over); turn += 1) {
      // Never 0, which no thread has, nor the id of another thread.
      const identity = (turn + 1) * lengths.length + chain
      if (identity >= MOST_LIVES) return
      const life = new Life(this.#lives, identity)
      const { ending, afterMs, plan, seed } = chooseLife(this.#seed, chain, turn)
      life.begin()
      const { thread, ended } = this.#threads.start('global-writer-thread.mjs', {
        memory: this.#buffer.memory,
        lives: this.#lives,
        identity,
        lengths: lengths[chain],
        plan,
        seed,
      })
      const failed = ended.then(() => true)
      const orFailed = (holds, what) =>
        Promise.race([until(() => holds() || this.#over, `thread ${identity} ${what}`), failed])
      if (ending !== 'killed while it starts') await orFailed(() => life.flag(LIFE.begun), 'does not begin')
      // Short times are more exact than a timer's.
      if (afterMs < 2) for (const atMs = performance.now() + afterMs; performance.now() < atMs;);
      else await Promise.race([setTimeout(afterMs), failed])
      if (ending === 'stops') {
        const goesOn = () => life.count(LIFE.accepted) >= ENOUGH || Atomics.load(this.#ending, 0) !== GOING_ON
        await orFailed(goesOn, 'writes nothing')
        life.raise(LIFE.stop)
        await this.#bury(life, ended, identity)
      } else if (this.#choices.plan.killsAtOnce) {
        await this.#kill(life, thread, ended, identity)
      } else {
        this.#lastDeath = this.#lastDeath.then(() => this.#kill(life, thread, ended, identity))
        await this.#lastDeath
      }
    }
  }

  async #kill(life, thread, ended, identity) {
    this.kills += 1
    life.raise(LIFE.killed)
    void thread.terminate()
    await this.#bury(life, ended, identity)
  }

  async #bury(life, ended, identity) {
    await inTime(ended, `thread ${identity} does not end`)
    life.enter(DEAD)
    await until(() => life.state === RETIRED || this.#over, `the slot of thread ${identity} is not freed`)
  }
}

/** The mode of the global buffer in that mode. */
function globalMode(mode, about) {
  return {
    name: `global-${mode}`,
    about,
    async round({ seed, random, log }) {
      const choices = choose(mode, seed, random)
      log(JSON.stringify(choices))
      const round = new Round(seed, choices)
      const sums = await round.run()
      return { ...sums, kills: round.kills }
    },
  }
}

export const globalDiscard = globalMode('discard', 'one buffer that many write; the newest records are lost')
export const globalOverwrite = globalMode(
  'overwrite',
  'one buffer that many write; the oldest records are lost',
)
