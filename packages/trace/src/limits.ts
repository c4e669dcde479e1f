/**
 * Checks what the thread that writes the files will need of the process, before that thread starts.
 * For some of these needs, Node would end the whole process. Runs on the thread that records.
 */
import { readFileSync } from 'node:fs'

/**
 * Address space that V8 reserves for one more thread, in bytes; most of it is never used. Measured:
 * 842 MiB on Node 20, 719 on Node 24, both on x64 Linux.
 */
const THREAD_BYTES = 896 * 2 ** 20
const KIB = 1024

/**
 * Checks that a recording can start in this process.
 *
 * @param bytes size of the recording's buffers.
 * @throws Error that says what is missing and what to do.
 */
export function checkLimits(bytes: number): void {
  checkWorkingFolder()
  checkAddressSpace(bytes)
}

function checkWorkingFolder(): void {
  try {
    process.cwd()
  } catch (error) {
    throw new Error(
      `can't record: the working directory of this process is gone, and Node starts no thread without one: call ` +
        `process.chdir() with a folder that is there, before the recording starts`,
      { cause: error },
    )
  }
}

/**
 * If the address space is limited, V8 ends the process when a new thread finds too little of it.
 */
function checkAddressSpace(bytes: number): void {
  let limit: number
  let used: number
  try {
    limit = Number(/^Max address space\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1])
    if (!Number.isFinite(limit)) return
    used = Number(/^VmSize:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) * KIB
  } catch {
    // Not Linux, or no such files: no limit is known.
    return
  }
  if (!(used + bytes + THREAD_BYTES > limit)) return
  const mib = (value: number): string => `${Math.round(value / 2 ** 20)} MiB`
  throw new Error(
    `can't record: of the address space of this process, limited to ${mib(limit)}, ${mib(limit - used)} are left, and ` +
      `${mib(bytes)} for buffers and ${mib(THREAD_BYTES)} for the thread that writes the files are needed: raise the ` +
      `limit (ulimit -v), or make bufferSize or possibleCpus smaller`,
  )
}
