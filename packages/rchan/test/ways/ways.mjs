/**
 * The ways to die: each is a whole program with threads that trace (`program.mjs`), which dies in
 * one way, and the check of what it leaves on disk. The tests play each way a few times, `npm run
 * soak` as often as you like. The choices of a play come from its seed.
 *
 * What is kept, by the kind of the way:
 *
 * - `all`: each call that had returned before the end began is in the trace, or among its losses.
 * - `ledger`: the program goes on, and its books close. With the attempts that its threads counted
 *   themselves: attempts = delivered + discarded + overwritten + torn + unwritten, but for at most
 *   one call of each thread that was cut off in it.
 * - `flushed`: what was seen on disk before the death is there after it. The rest is a beginning
 *   of what each thread wrote, without a gap that no packet tells of.
 *
 * In all of them the trace can be read by our reader and by both babeltraces, each thread's events
 * are in order, none is there twice, and none is torn.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openTrace } from '@rchan/ctf/reader'
import { derive, Random } from '../../../../test/stress/random.mjs'
import { fillingDisk, readOnlyDisk, roomyDisk } from './disks.mjs'

const program = fileURLToPath(new URL('program.mjs', import.meta.url))
/** A program that has not ended by then never will. */
const STUCK_MS = 240_000
/** Events that each thread writes before anything happens. */
const FIRST = 50

/** The warning that files can't be written. */
const TROUBLE = /rchan: can't write/

const runs = ({ exitCode, signalCode }) => exitCode === null && signalCode === null

/** Signals that reach the program from outside. It listens to none of them. */
const signalled = (signal) => ({
  way: 'killed from outside',
  kept: 'flushed',
  ends: { signal },
  kill: (child) => child.kill(signal),
})
/** A worker dies in the middle of its writing, in three rounds. */
const workerDies = (way, dies, code) => ({ way, kept: 'ledger', dies, code, rounds: 3, ends: { status: 0 } })

/** By name. `docs/ways-to-die.md` has a row for each. */
export const WAYS = {
  'main calls process.exit()': { way: 'exit', kept: 'all', ends: { status: 7 } },
  'main throws': { way: 'throw', kept: 'all', ends: { status: 1 } },
  'main has an unhandled rejection': { way: 'reject', kept: 'all', ends: { status: 1 } },
  'main ends without stop': { way: 'end', kept: 'all', ends: { status: 0 } },
  'a worker calls process.exit()': workerDies('worker exit', 'exit'),
  'a worker throws': workerDies('worker throw', 'throw', 'thrown by a worker'),
  'workers are terminated at random instants': workerDies('worker terminated'),
  'a worker is out of heap': {
    ...workerDies('worker out of heap', 'heap', 'ERR_WORKER_OUT_OF_MEMORY'),
    rounds: 1,
  },
  'the worker that records is terminated': {
    way: 'recorder terminated',
    kept: 'flushed',
    ends: { status: 0 },
    after: ({ next }) => {
      if (next !== 100) throw new Error(`the next recording has ${next} of 100 events`)
    },
  },
  SIGKILL: signalled('SIGKILL'),
  SIGTERM: signalled('SIGTERM'),
  SIGINT: signalled('SIGINT'),
  SIGHUP: signalled('SIGHUP'),
  'SIGSEGV of itself': { way: 'segfault', kept: 'flushed', ends: { signal: 'SIGSEGV' } },
  'process.abort()': { way: 'abort', kept: 'flushed', ends: { signal: 'SIGABRT' } },
  'process.reallyExit()': { way: 'really exit', kept: 'flushed', ends: { status: 3 } },
  'main is in an endless loop, and killed': {
    ...signalled('SIGKILL'),
    way: 'endless loop',
  },
  'V8 is out of memory': {
    way: 'out of memory',
    kept: 'flushed',
    ends: { signal: 'SIGABRT' },
    nodeArgs: ['--max-old-space-size=48'],
  },
  'the process is stopped and continued': {
    way: 'told to stop',
    kept: 'ledger',
    ends: { status: 0 },
    kill: async (child, random) => {
      for (let i = 0; i < 3; i += 1) {
        child.kill('SIGSTOP')
        await sleep(random.scaled(10, 400))
        child.kill('SIGCONT')
        await sleep(random.scaled(1, 60))
      }
      child.stdin.write('stop\n')
    },
  },
  'the disk is full': {
    way: 'disk full',
    kept: 'ledger',
    ends: { status: 0 },
    disk: fillingDisk,
    fails: /ENOSPC/,
  },
  'the disk is full for a while': {
    way: 'told to stop',
    kept: 'ledger',
    ends: { status: 0 },
    disk: roomyDisk,
    spoil: ({ disk }) => disk.fill(),
    fails: /ENOSPC/,
    recovers: true,
    kill: async (child, random, { path, disk, stderr }) => {
      while (runs(child) && !TROUBLE.test(stderr())) await sleep(3)
      const before = eventsIn(path)
      disk.free()
      while (runs(child) && eventsIn(path) === before) await sleep(3)
      child.stdin.write('stop\n')
    },
  },
  'the folder is removed': {
    way: 'files fail',
    kept: 'ledger',
    ends: { status: 0 },
    spoil: ({ path }) => rmSync(path, { recursive: true }),
    fails: /was removed or moved while it was recorded into/,
    // Nobody knows before the end: the files can still be written.
    isSaid: false,
    isGone: true,
  },
  'the file system becomes read-only': {
    way: 'files fail',
    kept: 'ledger',
    ends: { status: 0 },
    disk: readOnlyDisk,
    spoil: ({ disk }) => disk.makeReadOnly(),
    fails: /EROFS/,
  },
}

/** Why a way can't be played here, if it can't. */
export function lacks(name) {
  return WAYS[name].disk?.lacks()
}

/**
 * Plays a way once.
 *
 * @param parent a folder; what is made in it is removed again, unless something forbidden is seen.
 * @param way the way of that name, or another one.
 * @param readers readers beside our own: babeltrace2, babeltrace.
 * @returns figures: events delivered, lost, attempts that the threads counted, threads that were
 * cut off, and for a killed program the age of the last event on disk, in milliseconds.
 * @throws Error for something forbidden. It names the trace.
 */
export async function die(name, { seed, parent, readers = [], way = WAYS[name] }) {
  const random = new Random(derive(seed, name))
  const home = mkdtempSync(join(parent, 'way '))
  const disk = way.disk?.make(home, random)
  const path = join(disk?.folder ?? home, 'trace')
  const order = orderOf(way, random, path, join(home, 'counts.json'))
  try {
    const result = await play(way, order, home, disk, random)
    const figures = check(way, order, result, readers)
    disk?.unmount()
    rmSync(home, { recursive: true, force: true })
    return figures
  } catch (error) {
    if (disk !== undefined) {
      cpSync(disk.folder, join(home, 'kept'), { recursive: true })
      disk.unmount()
    }
    const kept = disk === undefined ? path : join(home, 'kept/trace')
    throw new Error(`${error.message}\n  the trace: ${kept}\n  the order: ${JSON.stringify(order)}`, {
      cause: error,
    })
  }
}

/** What the program is told: all random choices of this play. */
function orderOf(way, random, path, countsPath) {
  const options = {
    mode: random.pick(['discard', 'overwrite']),
    buffers: random.pick(['per-thread', 'global']),
    bufferSize: random.pick([32 * 1024, 2 ** 20]),
    flushIntervalMs: random.pick([10, 30, 100]),
    possibleCpus: 16,
  }
  const plan = (thread) => ({
    thread,
    waits: true,
    burst: random.whole(1, 200),
    pauseMs: random.pick([0, 1, 3]),
    ...(way.dies !== undefined && { dies: way.dies, after: random.whole(0, 40) }),
  })
  const threads = Array.from({ length: random.whole(1, 3) }, (_, i) => plan(i + 1))
  // A worker that is started by a worker, and ends with it.
  if (random.chance(0.5)) {
    const inner = { ...plan(threads.length + 1), pauseMs: 1, dies: undefined }
    threads[0].inner = inner
    threads.push({ ...inner, isInner: true })
  }
  const rounds = way.rounds ?? 1
  return {
    way: way.way,
    path,
    countsPath,
    options,
    threads,
    first: FIRST,
    rounds,
    delayMs: random.scaled(1, 120),
    delays: Array.from({ length: rounds }, () => random.scaled(0.1, 40)),
  }
}

async function play(way, order, home, disk, random) {
  // Without a file of the dead process's memory.
  const script = 'ulimit -c 0; exec "$0" "$@"'
  const args = ['-c', script, process.execPath, ...(way.nodeArgs ?? []), program, JSON.stringify(order)]
  const child = spawn('sh', args, { cwd: home, stdio: ['pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  let isOver = false
  child.stdin.on('error', () => undefined)
  child.stderr.setEncoding('utf8').on('data', (chunk) => (stderr += chunk))
  const hasWrittenFirst = new Promise((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      stdout += chunk
      if (stdout.includes('first\n')) resolve()
    })
  })
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status, signal) => {
      isOver = true
      resolve({ status, signal })
    })
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), STUCK_MS)
  try {
    await Promise.race([hasWrittenFirst, ended])
    // The event: the first events of all threads are on disk. (None of them does anything for it.)
    while (runs(child) && eventsIn(order.path) < order.first * (1 + order.threads.length)) await sleep(3)
    way.spoil?.({ path: order.path, disk })
    child.stdin.write('go\n')
    let diedAt
    if (way.kill !== undefined) {
      await sleep(order.delayMs)
      diedAt = process.hrtime.bigint()
      await way.kill(child, random, { path: order.path, disk, stderr: () => stderr })
    }
    const { status, signal } = await ended
    const { status: wantedStatus = null, signal: wantedSignal = null } = way.ends
    if (status !== wantedStatus || signal !== wantedSignal)
      throw new Error(`the program ended with status=${status}, signal=${signal}: ${stderr.slice(-3000)}`)
    const said = stdout.split('\n').at(-2) ?? ''
    return { said: said.startsWith('{') ? JSON.parse(said) : {}, stderr, diedAt }
  } finally {
    clearTimeout(timer)
    if (!isOver) child.kill('SIGKILL')
    await ended.catch(() => undefined)
  }
}

function eventsIn(path) {
  try {
    let count = 0
    for (const _ of openTrace(path).records()) count += 1
    return count
  } catch (error) {
    // Not there yet.
    if (error.code === 'ENOENT') return 0
    throw error
  }
}

/** @throws Error for anything that is forbidden in this way. */
function check(way, order, { said, stderr, diedAt }, readers) {
  const trace = way.isGone === true ? NOTHING : read(order.path)
  if (way.isGone !== true) for (const reader of readers) compare(reader, order.path, trace.events)
  way.after?.(said)
  const { steps, lost } = trace
  const figures = { events: trace.events, lost, attempts: undefined, cut: 0, ageMs: undefined }
  if (way.kept === 'ledger') {
    const { begun, returned, discarded, overwritten, torn, unwritten } = said
    const known = said.events + discarded + overwritten + torn + unwritten
    const books = JSON.stringify({ ...said, known })
    if (begun - returned > said.deaths) throw new Error(`more calls were cut off than threads: ${books}`)
    if (known < returned || known > begun) throw new Error(`the books are not exact: ${books}`)
    if (said.events !== trace.events)
      throw new Error(`the summary has ${said.events} events, the trace ${trace.events}: ${books}`)
    if (way.fails === undefined && (unwritten !== 0 || said.error !== undefined))
      throw new Error(`not all was written: ${books}`)
    if (way.fails === undefined && lost !== discarded + overwritten + torn)
      throw new Error(`the trace tells of ${lost} losses: ${books}`)
    if (way.fails !== undefined) checkFailure(way, said, stderr)
    const codes = new Set(said.codes)
    if (way.code !== undefined && (codes.size !== 1 || !codes.has(way.code)))
      throw new Error(`workers ended with ${[...codes].join(', ')}`)
    return { ...figures, lost: known - said.events, attempts: begun, cut: begun - returned }
  }
  // At least what each thread had written before is there, or lost in a way that is told.
  const before =
    way.kept === 'all'
      ? JSON.parse(readFileSync(order.countsPath, 'utf8'))
      : Array.from({ length: 1 + order.threads.length }, () => order.first)
  let missing = 0
  for (const [thread, count] of before.entries()) {
    let found = 0
    for (const n of steps.get(thread) ?? []) if (n < count) found += 1
    missing += count - found
  }
  const told = way.kept === 'all' ? lost : 0
  if (missing > told)
    throw new Error(`${missing} events are missing, the trace tells of ${lost}: ${JSON.stringify(before)}`)
  // A gap between two events of a thread is a loss that the trace tells of.
  let gaps = 0
  for (const numbers of steps.values()) gaps += numbers.at(-1) + 1 - numbers.length
  if (gaps > lost) throw new Error(`${gaps} events are missing in between, the trace tells of ${lost}`)
  const attempts = way.kept === 'all' ? before.reduce((sum, count) => sum + count, 0) : undefined
  const ageMs = diedAt === undefined ? undefined : Number(diedAt - trace.lastTime) / 1e6
  return { ...figures, attempts, ageMs }
}

/** The loss is counted, and said once. */
function checkFailure({ fails, isSaid = true, recovers = false }, said, stderr) {
  const books = JSON.stringify(said)
  if (said.unwritten === 0 && !recovers) throw new Error(`nothing is unwritten: ${books}`)
  if (!fails.test(said.error ?? '')) throw new Error(`the summary does not say ${fails}: ${books}`)
  if (said.isAlive !== true) throw new Error(`the program did not go on: ${books}`)
  const warnings = stderr.split(TROUBLE).length - 1
  if (warnings !== (isSaid ? 1 : 0)) throw new Error(`it is said ${warnings} times: ${stderr}`)
}

const NOTHING = { events: 0, lost: 0, steps: new Map(), lastTime: 0n }

/**
 * Reads a trace to its end. @throws Error when it can't be read, a thread's events are not in
 * order, or one is torn.
 */
function read(path) {
  const trace = openTrace(path)
  const steps = new Map()
  let events = 0
  let lastTime = 0n
  for (const { event, fields, time } of trace.records()) {
    events += 1
    lastTime = time
    const { thread, step, value, text } = fields
    let numbers = steps.get(thread)
    if (numbers === undefined) steps.set(thread, (numbers = []))
    if (numbers.length > 0 && step <= numbers.at(-1))
      throw new Error(`thread ${thread}: event ${step} comes after ${numbers.at(-1)}`)
    const isWhole = event.name === 'way:text' ? text === 'x'.repeat(step % 100) : value === step / 3
    if (!isWhole) throw new Error(`thread ${thread}: event ${step} is torn: ${JSON.stringify(fields)}`)
    numbers.push(step)
  }
  const lost = trace.losses().reduce((sum, { eventsDiscarded }) => sum + eventsDiscarded, 0)
  return { events, lost, steps, lastTime }
}

/** @throws Error when another reader fails, or finds another number of events. */
function compare(reader, path, events) {
  const args =
    reader === 'babeltrace2'
      ? [path, '-c', 'sink.utils.counter', '-p', 'step=+0,hide-zero=yes']
      : [path, '-o', 'dummy']
  const { status, stdout, stderr } = spawnSync(reader, args, { encoding: 'utf8' })
  const found = reader === 'babeltrace2' ? Number(/(\d+) Event/.exec(stdout)?.[1] ?? 0) : events
  if (status !== 0 || found !== events)
    throw new Error(
      `${reader} reads ${found} of ${events} events, status=${status}: ${stderr.slice(0, 2000)}`,
    )
}
