/**
 * Ends a process whose main thread is stuck, and says in which rounds. A reader may be running on
 * that thread.
 *
 * Shared, 4 bytes per element: [0] goes up while the main thread lives. Then come, for each mode,
 * the current round plus 1, or 0 for none. The main thread stores all of them; this one only reads.
 */
import { writeSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

const STUCK_MS = 60_000
const BEAT_MS = 500

/**
 * Main thread: starts the watchdog. @returns a function that tells it of the rounds:
 * `playing(index, round)`.
 */
export function watchMain(commands) {
  const words = new Uint32Array(new SharedArrayBuffer(4 * (1 + commands.length)))
  setInterval(() => Atomics.add(words, 0, 1), BEAT_MS).unref()
  new Worker(new URL(import.meta.url), { workerData: { watched: words, commands } }).unref()
  return (index, round) => Atomics.store(words, 1 + index, round + 1)
}

function watch({ watched, commands }) {
  const nobody = new Int32Array(new SharedArrayBuffer(4))
  let last = -1
  let atMs = performance.now()
  for (;;) {
    Atomics.wait(nobody, 0, 0, BEAT_MS)
    const beat = Atomics.load(watched, 0)
    if (beat !== last) {
      last = beat
      atMs = performance.now()
    } else if (performance.now() - atMs > STUCK_MS) {
      const playing = commands
        .map((command, index) => [command, Atomics.load(watched, 1 + index)])
        .filter(([, round]) => round > 0)
        .map(([command, round]) => `\n  ${command} --round ${round - 1}`)
      // `console` needs the main thread.
      writeSync(2, `FORBIDDEN: the main thread is stuck${playing.join('')}\n`)
      process.kill(process.pid, 'SIGKILL')
    }
  }
}

if (!isMainThread && workerData?.watched !== undefined) watch(workerData)
