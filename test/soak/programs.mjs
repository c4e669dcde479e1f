/** Runs the programs of the soak, which print lines of JSON: progress, then their result. */
import { spawn } from 'node:child_process'

/**
 * Makes glibc give freed memory back to the system. By default it keeps what was once used, so that
 * the memory of a process says nothing of leaks.
 */
const GIVES_BACK = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' }
/** A program that says nothing for so long is stuck. */
const STUCK_MS = 300_000

/**
 * Runs a program to its end. @param onLine is called for each line but the last.
 *
 * @returns the last line. @throws Error when the program fails, or is stuck.
 */
export async function runProgram(path, args, onLine = () => undefined, nodeArgs = []) {
  const child = spawn(process.execPath, [...nodeArgs, path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...GIVES_BACK },
  })
  let rest = ''
  let last
  let stderr = ''
  const stuck = () => {
    stderr += `\nstuck: it said nothing for ${STUCK_MS / 1000} s`
    child.kill('SIGKILL')
  }
  let timer = setTimeout(stuck, STUCK_MS)
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr = `${stderr}${text}`.slice(-10_000)))
  child.stdout.setEncoding('utf8').on('data', (text) => {
    clearTimeout(timer)
    timer = setTimeout(stuck, STUCK_MS)
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop()
    for (const line of lines) {
      if (last !== undefined) onLine(last)
      last = JSON.parse(line)
    }
  })
  const { status, signal } = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, killedBy) => resolve({ status: code, signal: killedBy }))
  })
  clearTimeout(timer)
  if (rest !== '') last = JSON.parse(rest)
  if (status !== 0) throw new Error(`${path} ended with status=${status}, signal=${signal}: ${stderr}`)
  return last
}
