/**
 * The mode `relay`: the kernel's relay on many threads. Each CPU of a channel has a writer thread.
 * It ends or is terminated at a random moment, and another thread comes online as that CPU and goes
 * on in its buffer. The main thread is the file thread and drains the relay files. Meanwhile other
 * threads open channels, give them files, prepare CPUs, write, reset and close. They are
 * terminated, too, now and then while they hold the lock of the list.
 *
 * Forbidden besides the outcomes of every mode: a channel, a file or a page without an owner is
 * left; a file is made twice or removed twice; an operation waits for ever for a dead thread.
 */
import { Relay, RelayFile } from '@rchan/relay'
import { threadMachine } from '@rchan/relay-node'
import { setTimeout } from 'node:timers/promises'
import { checkRecord, MIN_RECORD_BYTES } from '../records.mjs'
import { Life, LIFE, lifeMemory } from './life.mjs'
import { derive, Random } from './random.mjs'
import { inTime, Threads, until } from './threads.mjs'

const MEMORY_BYTES = 2 ** 22
const HEADER = 0xa5

function choose(seed, random) {
  const subbufSize = random.pick([random.whole(40, 100), random.whole(101, 1000), 4096, 20_000])
  const module = random.chance(0.3)
  const mode = { mode: 'discard', headerBytes: 0 }
  return {
    cpus: random.whole(1, 3),
    geometry: { subbufSize, subbufCount: random.pick([2, 3, 4, 7]), ...(module ? {} : mode) },
    module,
    isLate: random.chance(0.3),
    openers: random.whole(0, 2),
    forMs: random.whole(500, 2500),
    sleepMs: random.pick([0, 0, 1, 5]),
    capacity: subbufSize - (module ? 4 : 0),
    longest: random.pick([MIN_RECORD_BYTES, 12, 30]),
    seed: derive(seed, 'round'),
  }
}

function chooseLife(seed, cpu, turn) {
  const random = new Random(derive(seed, 'life', cpu, turn))
  const ending = random.pick(['killed', 'killed', 'killed', 'killed while it starts', 'stops'])
  return {
    seed: derive(seed, 'writer', cpu, turn),
    ending,
    afterMs: random.scaled(0.3, ending === 'killed while it starts' ? 60 : 300),
    plan: {
      way: random.pick(['channel', 'buffer']),
      recordsAtOnce: random.pick([1, 10, 100, 1000]),
      pace: 'bursts',
      pauseChance: random.pick([0.01, 0.1, 1]),
      tooBigChance: random.pick([0, 0.1]),
      waitChance: random.pick([0.001, 0.1, 1]),
      excessBytes: random.pick([0, 5, 40_000]),
      goesOffline: random.chance(0.5),
    },
  }
}

/** The relay file of one CPU, read from main, and the records in it. */
class CpuFile {
  delivered = 0
  #buffer
  #file
  #rest = Buffer.alloc(0)
  #hasHeaders

  constructor(buffer, hasHeaders) {
    this.#buffer = buffer
    this.#file = new RelayFile(buffer)
    this.#hasHeaders = hasHeaders
  }

  /** Whether no thread writes it any more. */
  get isSettled() {
    return this.#buffer.isSettled
  }

  get discarded() {
    return this.#buffer.memory.discarded()
  }

  /** Takes the records that are there. @throws Error for a forbidden outcome. */
  take() {
    const bytes = this.#file.readBytes(1 << 20)
    this.#rest = Buffer.concat([this.#rest, bytes])
    let at = 0
    for (;;) {
      if (this.#hasHeaders && this.#rest.length - at >= 4 && this.#rest.readUInt16LE(at) === HEADER * 257)
        at += 4
      if (this.#rest.length - at < MIN_RECORD_BYTES) break
      const length = this.#rest.readUInt16LE(at)
      const number = this.#rest.readUInt32LE(at + 2)
      if (number !== this.delivered) {
        const around = this.#rest.subarray(Math.max(0, at - 24), at + 24).toString('hex')
        throw new Error(
          `record ${number} came where ${this.delivered} should, at=${at} of ${this.#rest.length}, ${around}`,
        )
      }
      if (length < MIN_RECORD_BYTES) throw new Error(`torn: record ${number} has length=${length}`)
      if (this.#rest.length - at < length) break
      checkRecord(this.#rest, at, length, number)
      this.delivered += 1
      at += length
    }
    this.#rest = this.#rest.subarray(at)
    return bytes.length
  }

  /** Takes all of a thread that has ended. */
  finish() {
    while (this.take() > 0);
    if (this.#rest.length > 0) throw new Error(`torn: ${this.#rest.length} bytes are no record`)
  }

  close() {
    this.#file.release()
  }
}

class Round {
  kills = 0
  #choices
  #threads = new Threads(import.meta.url)
  #files = new Set()
  #forbidden = []
  #relay
  #channel
  #lives
  #cpuFiles = []
  #sums = { attempted: 0, delivered: 0, overwritten: 0, discarded: 0, torn: 0, traceless: 0 }
  #endAtMs
  #stop = new Int32Array(new SharedArrayBuffer(4))

  constructor(choices) {
    this.#choices = choices
    const { cpus, geometry, isLate, module } = choices
    const callbacks = {
      createBufFile: (name, parent) => this.#create(name, parent),
      removeBufFile: (file) => this.#remove(file),
    }
    const log = (level, message) => {
      if (level !== 'warning') this.#forbidden.push(`${level}: ${message}`)
    }
    this.#relay = new Relay(threadMachine(log), {
      possibleCpus: cpus,
      memoryBytes: MEMORY_BYTES,
      fileCallbacks: callbacks,
    })
    this.#relay.serveFromEventLoop()
    this.#channel = this.#relay.open({
      ...geometry,
      ...(isLate ? {} : { baseFilename: 'main ' }),
      ...(module ? { module: new URL('starts.mjs', import.meta.url) } : {}),
      callbacks,
    })
    this.#lives = lifeMemory(cpus)
    this.#endAtMs = performance.now() + choices.forMs
  }

  #create(name) {
    if (name === undefined) return undefined
    const file = { name }
    this.#files.add(file)
    return file
  }

  #remove(file) {
    if (file !== undefined && !this.#files.delete(file))
      this.#forbidden.push(`${file.name} was removed twice`)
  }

  async run() {
    try {
      for (let cpu = 0; cpu < this.#choices.cpus; cpu += 1) this.#prepare(cpu)
      const openers = Array.from({ length: this.#choices.openers }, (_, opener) => this.#open(opener))
      const writing = this.#cpuFiles.map((_, cpu) => this.#write(cpu))
      const reading = this.#read()
      // The first failure counts.
      for (const other of [reading, ...openers]) other.catch(() => undefined)
      await Promise.all(writing)
      Atomics.store(this.#stop, 0, 1)
      await Promise.all([reading, ...openers])
      return this.#finish()
    } finally {
      await this.#threads.endAll()
    }
  }

  #prepare(cpu) {
    if (!this.#relay.prepareCpu(cpu)) throw new Error(`cpu=${cpu} could not be prepared`)
    this.#cpuFiles.push(new CpuFile(this.#channel.buffer(cpu), this.#choices.module))
  }

  /** Main: reads, and gives the channel its files in the middle. */
  async #read() {
    while (Atomics.load(this.#stop, 0) === 0) {
      for (const file of this.#cpuFiles) file.take()
      if (this.#choices.isLate && !this.#channel.hasBaseFilename && performance.now() > this.#endAtMs - 300) {
        const outcome = this.#channel.lateSetupFiles('main ')
        if (outcome !== 'done') throw new Error(`late set-up: ${outcome}`)
      }
      await setTimeout(this.#choices.sleepMs)
    }
  }

  /** One writer after the other on a CPU. */
  async #write(cpu) {
    const life = new Life(this.#lives, cpu)
    const file = this.#cpuFiles[cpu]
    const { capacity, longest, module, seed } = this.#choices
    for (let turn = 0; turn === 0 || performance.now() < this.#endAtMs; turn += 1) {
      const { ending, afterMs, plan, seed: writerSeed } = chooseLife(seed, cpu, turn)
      const before = { ...file.discarded }
      life.begin()
      life.firstNumber = file.delivered
      const { thread, ended } = this.#threads.start('relay-writer.mjs', {
        memory: this.#relay.memory,
        id: this.#channel.id,
        lives: this.#lives,
        cpu,
        capacity,
        longest,
        plan: { ...plan, module },
        seed: writerSeed,
      })
      const failed = ended.then(() => true)
      if (ending !== 'killed while it starts') {
        await Promise.race([
          until(() => life.flag(LIFE.begun), `the writer of cpu=${cpu} does not begin`),
          failed,
        ])
      }
      await Promise.race([setTimeout(afterMs), failed])
      const killed = ending !== 'stops'
      if (killed) {
        this.kills += 1
        void thread.terminate()
      } else {
        life.raise(LIFE.stop)
      }
      const firstNumber = life.firstNumber
      await inTime(ended, `the writer of cpu=${cpu} does not end`)
      await until(() => file.isSettled, `the writer of cpu=${cpu} has ended, and is not found dead`)
      file.finish()
      this.#check(life, file, { before, firstNumber, killed })
    }
  }

  /** Compares the writer's sums with the records that were delivered and counted. */
  #check(life, file, { before, firstNumber, killed }) {
    const delivered = file.delivered - firstNumber
    const { full, tooBig, bad } = file.discarded
    const discarded = full - before.full + (tooBig - before.tooBig)
    const attempted = life.count(LIFE.attempted)
    const traceless = attempted - delivered - discarded
    const accepted = life.count(LIFE.accepted)
    const slack = killed ? 1 : 0
    const says = JSON.stringify({ attempted, accepted, delivered, full, tooBig, bad, before, killed })
    if (bad !== 0) throw new Error(`records are bad: ${says}`)
    if (delivered < accepted || delivered > accepted + slack)
      throw new Error(`not what was accepted: ${says}`)
    if (traceless < 0 || traceless > slack) throw new Error(`the books of a writer are not exact: ${says}`)
    this.#sums.attempted += attempted
    this.#sums.delivered += delivered
    this.#sums.discarded += discarded
    this.#sums.traceless += traceless
  }

  /** One thread after the other that opens and closes. */
  async #open(opener) {
    for (let turn = 0; Atomics.load(this.#stop, 0) === 0; turn += 1) {
      const random = new Random(derive(this.#choices.seed, 'opener', opener, turn))
      const { thread, ended } = this.#threads.start('relay-opener.mjs', {
        memory: this.#relay.memory,
        stop: this.#stop,
        cpus: this.#choices.cpus,
        seed: derive(this.#choices.seed, 'opens', opener, turn),
      })
      await Promise.race([setTimeout(random.scaled(10, 400)), ended])
      if (Atomics.load(this.#stop, 0) === 0) void thread.terminate()
      await inTime(ended, 'a thread that opens channels does not end')
      for (const channel of this.#relay.channels) if (channel.isOrphan) channel.close()
    }
  }

  /** Nothing of anybody is left. */
  #finish() {
    for (const channel of this.#relay.channels) channel.close()
    for (const file of this.#cpuFiles) file.close()
    const left = [...this.#files].map(({ name }) => name)
    if (left.length > 0) this.#forbidden.push(`files are left: ${left.join(', ')}`)
    if (this.#relay.channels.length > 0) this.#forbidden.push('channels are left')
    // All pages are free again, and zero. A buffer has a page for its head, and one for its table.
    const subbufSize = Math.floor(MEMORY_BYTES / this.#choices.cpus) - 12_288
    const all = this.#relay.open({ subbufSize, subbufCount: 1 })
    for (let cpu = 0; cpu < this.#choices.cpus; cpu += 1) {
      if (!this.#relay.prepareCpu(cpu)) this.#forbidden.push(`cpu=${cpu}: not all memory is free`)
      const used = all.buffer(cpu)?.memory.data.findIndex((byte) => byte !== 0)
      if (used !== -1) this.#forbidden.push(`cpu=${cpu}: the memory is not zero at ${used}`)
    }
    all.close()
    if (this.#forbidden.length > 0) throw new Error(this.#forbidden.join('; '))
    return this.#sums
  }
}

export const relay = {
  name: 'relay',
  about: 'channels with files on many threads, which also open, prepare and close',
  async round({ seed, random, log }) {
    const choices = choose(seed, random)
    log(JSON.stringify(choices))
    const round = new Round(choices)
    const sums = await round.run()
    return { ...sums, kills: round.kills }
  },
}
