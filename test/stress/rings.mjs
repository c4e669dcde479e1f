/**
 * The modes `discard` and `overwrite`: buffers with one writer each. Every CPU has a thread that
 * writes. It ends or is terminated at a random moment. The reader buries it, and another thread
 * takes over. The reader drains all buffers, on its own thread or on the main thread, which starts
 * and ends the others.
 */
import { Channel } from '@rchan/ring'
import { setTimeout } from 'node:timers/promises'
import { Drain } from './drain.mjs'
import { LENGTH_KINDS } from './lengths.mjs'
import { DEAD, Life, LIFE, lifeMemory, RETIRED } from './life.mjs'
import { READER_PACES, ReaderPace } from './pace.mjs'
import { derive, Random } from './random.mjs'
import { inTime, Threads, until } from './threads.mjs'

/**
 * All random choices of a round, so that they can be printed. The threads' choices follow from the
 * seeds.
 */
function choose(mode, seed, random) {
  const subbufCount = random.pick([1, 2, 3, 5, 7, 8, 13])
  const subbufSize = random.pick([
    random.whole(1, 64),
    random.whole(65, 1000),
    4096,
    random.whole(4096, 20_000),
  ])
  const headerBytes = random.chance(0.5) ? 0 : random.whole(0, Math.min(100, subbufSize - 1))
  const cpus = random.whole(1, 3)
  const capacity = subbufSize - headerBytes
  return {
    geometry: { subbufSize, subbufCount, headerBytes, mode, possibleCpus: cpus },
    forMs: random.whole(300, 2000),
    reader: { isThread: random.chance(0.5), pace: random.pick(READER_PACES), seed: derive(seed, 'reader') },
    lengths: Array.from({ length: cpus }, (_, cpu) => ({
      kind: random.pick(LENGTH_KINDS),
      seed: derive(seed, 'lengths', cpu),
      capacity,
    })),
    plan: {
      mode,
      headerBytes,
      samples: random.chance(0.8),
      fillsHeaders: random.chance(0.6),
      retiresAll: random.chance(0.5),
    },
  }
}

/** The options of one life of a writer. */
function chooseLife(seed, cpu, life) {
  const random = new Random(derive(seed, 'life', cpu, life))
  const ending = random.pick(['killed', 'killed', 'killed', 'killed while it starts', 'stops'])
  return {
    seed: derive(seed, 'writer', cpu, life),
    ending,
    afterMs: random.scaled(0.3, ending === 'killed while it starts' ? 40 : 300),
    plan: {
      way: random.pick(['write', 'reserve', 'inline']),
      pace: random.pick(['full speed', 'full speed', 'bursts', 'slow', 'spins']),
      recordsAtOnce: random.pick([1, 10, 100, 1000]),
      pauseChance: random.pick([0.1, 1]),
      flushChance: random.pick([0, 0.05, 0.5]),
      switchChance: random.pick([0, 0, 0.05, 0.5]),
      tooBigChance: random.pick([0, 0.1]),
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
  #channel
  #lives
  #threads = new Threads(import.meta.url)
  #endAtMs
  /** Becomes 1 when no life is to begin any more. */
  #ending = new Int32Array(new SharedArrayBuffer(4))
  #over = false

  constructor(seed, choices) {
    this.#seed = seed
    this.#choices = choices
    this.#channel = Channel.create(choices.geometry)
    this.#lives = lifeMemory(choices.geometry.possibleCpus)
    this.#endAtMs = performance.now() + choices.forMs
  }

  /** @returns the reader's sums. @throws Error for a forbidden outcome. */
  async run() {
    const { lengths, plan, reader } = this.#choices
    const shared = { lives: this.#lives, lengths, plan }
    try {
      const reading = reader.isThread ? this.#readApart(shared) : this.#readHere(shared)
      const writing = Promise.all(lengths.map((_, cpu) => this.#writers(cpu))).then(() => {
        Atomics.store(this.#ending, 0, 1)
        return inTime(reading, 'the reader does not end')
      })
      const [sums] = await Promise.all([reading, writing])
      return sums
    } finally {
      this.#over = true
      await this.#threads.endAll()
    }
  }

  async #readApart(shared) {
    const { pace, seed } = this.#choices.reader
    const { thread, ended } = this.#threads.start('reader-thread.mjs', {
      ...shared,
      memory: this.#channel.memory,
      ending: this.#ending,
      pace,
      seed,
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
    const { pace, seed } = this.#choices.reader
    const drain = new Drain(this.#channel, shared)
    const paces = new ReaderPace(pace, seed)
    while (Atomics.load(this.#ending, 0) === 0 || !drain.isDone) {
      paces.turn(drain)
      if (this.#over) break
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    return drain.sums()
  }

  /** One writer after the other on a CPU, until the round is over. */
  async #writers(cpu) {
    const life = new Life(this.#lives, cpu)
    for (let turn = 0; turn === 0 || (performance.now() < this.#endAtMs && !this.#over); turn += 1) {
      const { ending, afterMs, plan, seed } = chooseLife(this.#seed, cpu, turn)
      life.begin()
      const { thread, ended } = this.#threads.start('writer-thread.mjs', {
        memory: this.#channel.memory,
        lives: this.#lives,
        cpu,
        lengths: this.#choices.lengths[cpu],
        headerBytes: this.#choices.geometry.headerBytes,
        plan: { ...plan, fillsHeaders: this.#choices.plan.fillsHeaders },
        seed,
      })
      const failed = ended.then(() => true)
      if (ending !== 'killed while it starts') {
        const begun = until(
          () => life.flag(LIFE.begun) || this.#over,
          `the writer of cpu=${cpu} does not begin`,
        )
        await Promise.race([begun, failed])
      }
      // Short times are more exact than a timer's.
      if (afterMs < 2) for (const atMs = performance.now() + afterMs; performance.now() < atMs;);
      else await Promise.race([setTimeout(afterMs), failed])
      if (ending === 'stops') {
        life.raise(LIFE.stop)
      } else {
        this.kills += 1
        life.raise(LIFE.killed)
        void thread.terminate()
      }
      await inTime(ended, `the writer of cpu=${cpu} does not end`)
      life.enter(DEAD)
      await until(
        () => life.state === RETIRED || this.#over,
        `the reader does not bury the writer of cpu=${cpu}`,
      )
    }
  }
}

/** The mode of that name. */
function ringMode(mode, about) {
  return {
    name: mode,
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

export const discard = ringMode('discard', 'a writer for each buffer; the newest records are lost')
export const overwrite = ringMode('overwrite', 'a writer for each buffer; the oldest records are lost')
