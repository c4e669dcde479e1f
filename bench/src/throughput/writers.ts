/**
 * Writers flat out, 1 to N threads at once: bare loops, relay channels, recordings, and recordings
 * into a global buffer. Each figure is the time of all threads together, divided by all their
 * events.
 */
import { closeSync, openSync, unlinkSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Relay, threadMachine, type RelayChannel, type RelayOptions } from 'rchan/relay'
import type { RecordingSettings } from 'rchan'
import type { BenchTask, Gain, Suite } from '../harness.js'
import { Crew, WORK } from './crew.js'
import { TICK_BYTES } from './events.js'
import { LossCount, Scratch } from './scratch.js'

const EVENTS = 1_000_000
/** N: as many threads as cores, and on small machines more threads than cores. */
const MANY = Math.max(4, availableParallelism())
const SIZES: Record<string, number> = { 1: 1, 2: 2, N: MANY }

/** Events before the time is taken: the threads come online, and their code is compiled. */
const FIRST_EVENTS = 30_000

const SHAPE = { subbufSize: 2 ** 18, subbufCount: 16 } satisfies RelayOptions

/** A relay channel that a crew writes. */
class CrewRelay {
  readonly relay = new Relay(threadMachine(() => undefined))
  readonly channel: RelayChannel
  readonly crew: Crew

  constructor(size: number, mode: 'discard' | 'overwrite') {
    this.relay.serveFromEventLoop()
    this.channel = this.relay.open({ ...SHAPE, mode })
    this.crew = new Crew(size, this.membership)
  }

  get membership(): { memory: SharedArrayBuffer; channel: number } {
    return { memory: this.relay.memory, channel: this.channel.id }
  }

  /** The threads come online, which needs this thread's event loop. */
  async ready(): Promise<void> {
    await this.crew.ready()
    this.crew.begin(WORK.relay, FIRST_EVENTS)
    await this.crew.ready()
  }

  /** Records that the buffers refused so far. */
  get refused(): number {
    let sum = 0
    for (let cpu = 0; cpu < this.crew.size; cpu += 1) {
      sum += this.channel.buffer(cpu)?.memory.discarded().full ?? 0
    }
    return sum
  }

  async end(): Promise<void> {
    await this.crew.end()
    this.channel.close()
  }
}

interface Writers {
  readonly tasks: BenchTask[]
  readonly ends: (() => Promise<void>)[]
}

/** All tasks of as many writers as `label` says. */
async function writersOf(label: string, scratch: Scratch): Promise<Writers> {
  const size = SIZES[label]
  const crew = new Crew(size)
  const kept = new CrewRelay(size, 'overwrite')
  const drained = new CrewRelay(size, 'discard')
  const drainer = new Crew(1, drained.membership, size)
  await Promise.all([crew.ready(), kept.ready(), drained.ready(), drainer.ready()])

  const common = { operations: EVENTS * size, bytes: TICK_BYTES }
  const bare = (name: string, work: number): BenchTask => ({
    ...common,
    name,
    floor: name,
    time: () => Promise.resolve(crew.run(work, EVENTS)),
  })
  const run = (): number => {
    crew.run(WORK.trace, FIRST_EVENTS)
    return crew.run(WORK.trace, EVENTS)
  }
  const recorded = (name: string, settings: RecordingSettings): BenchTask => {
    const losses = new LossCount()
    return {
      ...common,
      name,
      floor: `stores-${label}`,
      time: async () => await scratch.record(settings, run, losses.addSummary),
      lost: () => losses.part,
    }
  }
  const relayLosses = new LossCount()
  const drainRelay = (): Promise<number> => {
    const path = join(scratch.path, 'relay')
    const fd = openSync(path, 'w')
    const before = drained.refused
    drainer.begin(WORK.drainRelay, fd)
    const ms = drained.crew.run(WORK.relay, EVENTS)
    drainer.stopDraining()
    closeSync(fd)
    unlinkSync(path)
    const losses = drained.refused - before
    relayLosses.add({ events: EVENTS * size - losses, losses })
    return Promise.resolve(ms)
  }
  const tasks: BenchTask[] = [
    bare(`stores-${label}`, WORK.stores),
    recorded(`writers-${label}`, {}),
    recorded(`writers-${label}-overwrite`, { mode: 'overwrite', flushIntervalMs: 60_000 }),
    {
      ...common,
      name: `writers-${label}-memory`,
      floor: `stores-${label}`,
      time: async () => await scratch.keep({ mode: 'overwrite' }, run),
    },
    recorded(`global-${label}`, { buffers: 'global' }),
    bare(`sets-${label}`, WORK.sets),
    {
      ...common,
      name: `relay-${label}`,
      floor: `sets-${label}`,
      time: () => Promise.resolve(kept.crew.run(WORK.relay, EVENTS)),
    },
    {
      ...common,
      name: `relay-${label}-file`,
      floor: `sets-${label}`,
      time: drainRelay,
      lost: () => relayLosses.part,
    },
  ]
  return { tasks, ends: [() => drainer.end(), () => drained.end(), () => kept.end(), () => crew.end()] }
}

const gain = (name: string, of: string, floor: string): Gain => ({
  name,
  one: of.replace('#', '1'),
  many: of.replace('#', '2'),
  floorName: `gain-2-${floor}`,
  floorOne: `${floor}-1`,
  floorMany: `${floor}-2`,
})

/**
 * What two writers gain is at least 0.9 × what two bare loops gain, where there are cores for them.
 * One that is drained needs a third core for the consumer; in memory nobody takes anything.
 */
const GAINS: readonly Gain[] = [
  gain('gain-2-stores', 'stores-#', 'stores'),
  gain('gain-2-writers', 'writers-#', 'stores'),
  gain('gain-2-writers-overwrite', 'writers-#-overwrite', 'stores'),
  gain('gain-2-writers-memory', 'writers-#-memory', 'stores'),
  gain('gain-2-sets', 'sets-#', 'sets'),
  gain('gain-2-relay', 'relay-#', 'sets'),
]

export const writers: Suite = {
  name: 'throughput',
  about:
    `1, 2 and N=${MANY} threads write ${EVENTS / 1e6} million events of ${TICK_BYTES} bytes each, flat out. ` +
    'writers, global: a recording to a file with default options, drained; writers-…-overwrite: in overwrite mode; ' +
    'writers-…-memory: in memory, where nothing is taken; their floor are bare clocks and stores on as many threads. ' +
    'relay: a relay channel without a reader, and drained to a file; the floor is Uint8Array.set. gain-2: the rate of two ' +
    'threads divided by that of one (at least 0.9 × the floor, where there are cores for them and for a consumer)',
  rounds: 12,
  warmUpRounds: 1,
  calls: 1,
  async setUp() {
    const scratch = new Scratch()
    const all: Writers[] = []
    for (const label of Object.keys(SIZES)) all.push(await writersOf(label, scratch))
    return {
      tasks: all.flatMap(({ tasks }) => tasks),
      gains: GAINS,
      tearDown: async () => {
        for (const end of all.flatMap(({ ends }) => ends)) await end()
        scratch.remove()
      },
    }
  },
}
