/**
 * An arena and a control page, with a few records in them, and every operation of the runtime on
 * them.
 */
import { Arena, ARENA, CONTROL, Control, Cpu, nodeMachine, REMARKS } from '@rchan/runtime'
import { Consumer } from '@rchan/runtime/consumer'
import { FileSink } from '@rchan/runtime/file-sink'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { flush } from '../../dist/request.js'

// No thread is there to end a wait, so each wait is over at once.
Atomics.wait = () => 'timed-out'

const HEADER_BYTES = 16
const CPUS = 4
const path = mkdtempSync(join(tmpdir(), 'rchan test '))
const sink = new FileSink(path)
process.on('exit', () => rmSync(path, { recursive: true, force: true }))

function packet(pieces = []) {
  const header = () => new Uint8Array(HEADER_BYTES)
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, HEADER_BYTES)
  return { headerBytes: HEADER_BYTES, bytes, pieces, header, following: header }
}

const format = {
  prepare(threads) {
    for (const { threadName } of threads)
      if (threadName === '' || threadName.includes('\0')) throw new TypeError('no name')
  },
  renamed() {},
  tell({ lives }) {
    for (const { threadName } of lives) if (threadName === '') throw new TypeError('no name')
  },
  stream: () => ({
    head: () => packet(),
    seal(span) {
      if (span.from < 0 || span.end < span.from || span.end > span.bytes.length)
        throw new TypeError('a span outside')
      const bytes = span.bytes.slice(span.from, span.end & -8)
      // Tags are untrusted, too.
      const tag = new DataView(span.bytes.buffer, span.bytes.byteOffset).getUint32(0)
      const writers = new Map([
        [1, 1],
        [tag, 1],
        [-1, 1],
      ])
      return { ...packet([bytes]), end: span.end, records: bytes.length / 8, writers }
    },
    written: () => undefined,
    tail: () => packet(),
  }),
}

/** Numbers that memory holds as they are: the writer, and the place. */
const NAMES = ['cpu', 'generation', 'threadId']

function mustCount(counts) {
  for (const [name, count] of Object.entries(counts)) {
    if (typeof count === 'object' && count !== null) mustCount(count)
    else if (typeof count === 'number' && !NAMES.includes(name) && !(Number.isFinite(count) && count >= 0))
      throw new TypeError(`${name} is no count: ${count}`)
  }
}

/** A consumer that reports its errors. An arena has one. */
class Draining {
  areDead = false
  #nowMs = 1000
  #trouble = ''
  #consumer

  constructor(memory, control) {
    for (const name of readdirSync(path)) rmSync(join(path, name))
    const machine = {
      ...nodeMachine,
      now: () => this.#nowMs,
      sleep: (ms) => {
        this.#nowMs += ms
      },
      isDead: () => this.areDead,
    }
    this.#consumer = new Consumer(
      new Control(control.memory, machine),
      Arena.attach(memory),
      format,
      sink,
      { flushIntervalMs: 100, graceMs: 10 },
      {
        postArena: () => undefined,
        takeCalls: () => [],
        trouble: (message) => {
          this.#trouble = message
        },
      },
    )
  }

  pass() {
    for (let i = 0; i < 15; i += 1) {
      this.#nowMs += 20
      this.#consumer.doWork()
    }
    this.#tell()
  }

  finish() {
    mustCount(this.#consumer.finish())
    this.#tell()
  }

  #tell() {
    const trouble = this.#trouble
    this.#trouble = ''
    if (trouble !== '' && !trouble.includes('=')) throw new TypeError(trouble)
  }
}

const client = { subbufStart: () => undefined, subbufEnd: () => undefined }

function write(cpu) {
  cpu.online()
  const writer = cpu.writer ?? cpu.globalWriter
  writer?.write(new Uint8Array(8))
}

function make(global) {
  const control = Control.create()
  const headerBytes = global ? 0 : HEADER_BYTES
  const options = { subbufSize: 64, subbufCount: 4, mode: 'discard', headerBytes, possibleCpus: CPUS, global }
  const arena = Arena.create(options, 1, 0, new Uint8Array(16))
  const cpu = new Cpu(control)
  cpu.setClient(client)
  cpu.setArena(arena)
  control.enable(1)
  control.declare('["a",["b","u32"]]')
  control.declare('["c"]')
  for (let i = 0; i < 9; i += 1) write(cpu)
  arena.remarks.say(0, () => 'b=1 is no u32')
  return { control, arena, cpu }
}

function use({ control, arena, cpu }) {
  const { memory } = arena
  let draining
  return {
    attach: () => Arena.attach(memory).startTicks(1),
    'a thread comes online': () => {
      const other = new Cpu(control)
      other.setClient(client)
      other.setArena(Arena.attach(memory))
      write(other)
      write(other)
    },
    'the thread that was there': () => {
      write(cpu)
      mustCount({ discarded: cpu.discarded })
    },
    'a remark': () => arena.remarks.say(1, () => 'called without its fields'),
    flush: () => flush(arena, control, 1000),
    'consumer, all live': () => {
      draining = new Draining(memory, control)
      draining.pass()
    },
    'consumer, all dead': () => {
      if (draining === undefined) return
      draining.areDead = true
      draining.pass()
    },
    'consumer, at its end': () => draining?.finish(),
    'control page': () => {
      const page = new Control(control.memory)
      page.entries()
      page.isRecorderDead()
      page.claimRecorder({ identity: 5, startTicks: 3 })
      page.releaseRecorder()
      page.countNoBuffer()
      page.addClockFault(1, 2n)
      void page.clockFault
      page.resetFaults()
      page.disable(1)
      page.enable(2)
      page.doorbell.ring()
    },
    declare: () => {
      const page = new Control(control.memory)
      page.declare('["c"]')
      page.declare('["new",["x","u8"]]')
    },
    'the thread leaves': () => cpu.release(),
  }
}

const range = (from, count) => Array.from({ length: count }, (_, i) => from + i)
const PLACE_WORDS = 32

/** The words before the slots of remarks, and the slots taken. */
const REMARK_WORDS = REMARKS.slots / 4 + 2 * 64

function ofArena(global) {
  return {
    make() {
      const made = make(global)
      // The head, the places and the remarks. The buffers' own words belong to ring.
      const words = range(0, ARENA.places / 4 + CPUS * PLACE_WORDS + REMARK_WORDS)
      return { ...made, memory: made.arena.memory, words }
    },
    use,
  }
}

export const subjects = {
  'arena of channels': ofArena(false),
  'arena of a global buffer': ofArena(true),
  'control page': {
    make() {
      const made = make(false)
      const words = [...range(0, 64), ...range(CONTROL.flags / 4, 4), ...range(CONTROL.table / 4, 24)]
      return { ...made, memory: made.control.memory, words }
    },
    use,
  },
}
