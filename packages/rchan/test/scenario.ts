/** Runs a fixture as a separate process, and opens the trace that it leaves. For tests only. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTrace, type TraceRecord } from '@rchan/ctf/reader'
import type { RecordingSummary } from 'rchan'
import { onTestFinished } from 'vitest'
import { hasReader, runReader } from '../../../test/readers.ts'

/** How a process ended. */
export interface Ended {
  readonly status: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** A fixture that has not ended by then never will. Less than the time that vitest gives a test. */
const STUCK_MS = 240_000

/** A folder that is gone after the test. Its path has a space in it. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rchan test '))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The path of a fixture. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))
}

/** Runs a fixture to its end. */
export async function run(
  name: string,
  args: readonly string[] = [],
  nodeArgs: readonly string[] = [],
): Promise<Ended> {
  return await runCommand(process.execPath, [...nodeArgs, fixture(name), ...args])
}

/** Runs a program to its end. */
export async function runCommand(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const timer = setTimeout(() => child.kill('SIGKILL'), STUCK_MS)
  return await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      resolve({ status, signal, stdout, stderr })
    })
  })
}

/** The summary that a fixture printed. */
export function summaryOf(ended: Ended): RecordingSummary & Record<string, unknown> {
  if (ended.status !== 0)
    throw new Error(`the fixture ended with ${ended.status} ${ended.signal}: ${ended.stderr}`)
  return JSON.parse(ended.stdout) as RecordingSummary & Record<string, unknown>
}

/** Reads all events of a trace and its losses, with our reader. */
export function readTrace(folder: string): { records: TraceRecord[]; discarded: number } {
  const trace = openTrace(folder)
  const discarded = trace.losses().reduce((sum, cpu) => sum + cpu.eventsDiscarded, 0)
  return { records: [...trace.records()], discarded }
}

/** The same by babeltrace2; undefined when it is not installed (see `needReader`). */
export function babeltrace(folder: string): { events: number; discarded: number } | undefined {
  if (!hasReader('babeltrace2')) return undefined
  const ran = runReader('babeltrace2', [folder])
  if (ran.status !== 0) throw new Error(`babeltrace2 ended with ${ran.status}: ${ran.stderr}`)
  const said = ran.stderr.matchAll(/^WARNING: Tracer discarded (\d+) events? between/gm)
  return {
    events: ran.stdout.split('\n').length - 1,
    discarded: [...said].reduce((sum, [, count]) => sum + Number(count), 0),
  }
}
