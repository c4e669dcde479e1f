// One kill: records with two threads at full speed, kills the process, and reads the files on disk.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTrace } from '@rchan/ctf/reader'

const flood = fileURLToPath(new URL('./flood.mjs', import.meta.url))

/**
 * Kills a recording `delayMs` after both threads trace.
 *
 * @param parent the folder in which the trace is made, and removed again unless it can't be read.
 * @param babeltrace whether babeltrace2 reads it, too.
 * @returns the number of events in the trace, the number of files, and the fault, if any.
 */
export async function killOne({ parent, options, delayMs, babeltrace = false }) {
  const folder = mkdtempSync(join(parent, 'kill '))
  const path = join(folder, 'trace')
  const child = spawn(process.execPath, [flood, path, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((done) => child.once('close', (status, signal) => done({ status, signal })))
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), delayMs))
  const { status, signal } = await ended
  const result = { events: 0, files: 0, problem: undefined, path }
  try {
    if (signal !== 'SIGKILL') throw new Error(`the process ended by itself: status=${status}`)
    result.files = readdirSync(path).filter((name) => !name.startsWith('.')).length - 1
    result.events = eventsOf(path)
    if (babeltrace) {
      const args = [path, '-c', 'sink.utils.counter', '-p', 'step=+0,hide-zero=yes']
      const { status: code, stdout, stderr } = spawnSync('babeltrace2', args, { encoding: 'utf8' })
      const found = Number(/(\d+) Event/.exec(stdout)?.[1] ?? 0)
      if (code !== 0 || found !== result.events) {
        throw new Error(
          `babeltrace2 reads ${found} of ${result.events} events, status=${code}: ${stderr.slice(0, 2000)}`,
        )
      }
    }
  } catch (error) {
    result.problem = error.message
  }
  if (result.problem === undefined) rmSync(folder, { recursive: true })
  return result
}

/**
 * Reads all events. @throws when the trace can't be read, a thread's steps go back, or an event is
 * said to be of another thread.
 */
function eventsOf(path) {
  const last = [-1, -1]
  let events = 0
  const names = ['main', 'flood.mjs']
  for (const { fields, threadId, threadName } of openTrace(path).records()) {
    events += 1
    if ((threadId === 0) !== (fields.thread === 0) || threadName !== names[fields.thread])
      throw new Error(`an event of thread ${fields.thread} has ${threadId} ${threadName}`)
    if (fields.step <= last[fields.thread])
      throw new Error(`thread ${fields.thread}: step ${fields.step} after ${last[fields.thread]}`)
    last[fields.thread] = fields.step
  }
  return events
}
