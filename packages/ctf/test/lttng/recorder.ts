/**
 * Records traces with LTTng-UST, of the program `demo.c` beside this. For tests only.
 *
 * Decides how a missing LTTng is reported, as `test/readers.ts` does for readers.
 */
import {
  spawn,
  spawnSync,
  type ChildProcess,
  type SpawnSyncOptionsWithStringEncoding,
  type SpawnSyncReturns,
} from 'node:child_process'
import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Root's daemon has its sockets in a fixed folder of the machine, and so is one for all test runs.
 * That of any other user has them in LTTNG_HOME. This is the number of `nobody`.
 */
const USER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
/** A group that nobody is in: its members would use root's daemon. */
const GROUP = ['--group', 'rchan-nobody']
const SOURCES = fileURLToPath(new URL('.', import.meta.url))

/** Skips the running test if LTTng can't record, or fails it when RCHAN_REQUIRE_READERS=1. */
export function needLttng(context: { skip(note?: string): void }): void {
  const missing = ['lttng', 'lttng-sessiond', 'gcc'].filter(
    (program) => spawnSync(program, ['--version']).error !== undefined,
  )
  const header = spawnSync('gcc', ['-E', '-'], { input: '#include <lttng/tracepoint.h>\n' })
  if (missing.length === 0 && header.status !== 0) missing.push('lttng/tracepoint.h (liblttng-ust-dev)')
  if (missing.length === 0) return
  const note = `LTTng can't record: ${missing.join(', ')} not installed`
  if (process.env.RCHAN_REQUIRE_READERS === '1') throw new Error(`${note}, and RCHAN_REQUIRE_READERS=1`)
  console.warn(`skipped: ${note}`)
  context.skip(note)
}

/** A session daemon of its own, and the program built. End it with `[Symbol.asyncDispose]`. */
export class Lttng {
  readonly #folder: string
  readonly #daemon: ChildProcess

  private constructor(folder: string, daemon: ChildProcess) {
    this.#folder = folder
    this.#daemon = daemon
  }

  /** @param folder for the program and the traces. */
  static async start(folder: string): Promise<Lttng> {
    const home = join(folder, 'home')
    mkdirSync(home)
    if (USER.uid !== undefined) for (const each of [folder, home]) chownSync(each, USER.uid, USER.gid)
    const program = join(folder, 'demo')
    const built = spawnSync(
      'gcc',
      ['-I', SOURCES, '-o', program, join(SOURCES, 'demo.c'), '-llttng-ust', '-ldl', '-lpthread'],
      { encoding: 'utf8' },
    )
    if (built.status !== 0) throw new Error(`gcc: ${built.stderr}`)
    const options = { ...optionsOf(folder), stdio: 'ignore' } as const
    const daemon = spawn('lttng-sessiond', ['--no-kernel', ...GROUP], options)
    for (let tries = 0; !answers(folder); tries += 1) {
      if (tries === 100 || daemon.exitCode !== null) throw new Error('lttng-sessiond does not answer')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return new Lttng(folder, daemon)
  }

  /**
   * Records the program. The channel `all` has every event, and contexts; the channel `few` has
   * room for few events, and loses the others.
   *
   * @returns the folder of the session.
   */
  record(buffers: 'uid' | 'pid', count: number): string {
    const session = `rchan-${process.pid}-${buffers}`
    const output = join(this.#folder, buffers)
    const kind = ['--userspace', `--buffers-${buffers}`]
    this.#lttng(['create', session, '--output', output])
    try {
      const large = ['--subbuf-size', '1M', '--num-subbuf', '4']
      this.#lttng(['enable-channel', ...kind, '--session', session, ...large, 'all'])
      this.#lttng(['enable-event', '--userspace', 'demo:*', '--session', session, '--channel', 'all'])
      const contexts = ['vpid', 'vtid', 'procname', 'pthread_id'].flatMap((name) => ['--type', name])
      this.#lttng(['add-context', '--userspace', ...contexts, '--session', session, '--channel', 'all'])
      const small = ['--subbuf-size', '4096', '--num-subbuf', '2', '--discard']
      this.#lttng(['enable-channel', ...kind, '--session', session, ...small, 'few'])
      this.#lttng(['enable-event', '--userspace', 'demo:all', '--session', session, '--channel', 'few'])
      this.#lttng(['start', session])
      const ran = spawnSync(join(this.#folder, 'demo'), [String(count)], optionsOf(this.#folder))
      if (ran.status !== 0) throw new Error(`demo ended with ${ran.status}`)
      this.#lttng(['stop', session])
    } finally {
      this.#lttng(['destroy', session])
    }
    return output
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const daemon = this.#daemon
    if (daemon.exitCode !== null) return
    const ended = new Promise((resolve) => daemon.once('exit', resolve))
    daemon.kill('SIGTERM')
    await ended
  }

  #lttng(args: readonly string[]): void {
    const run = lttng(this.#folder, args)
    if (run.status !== 0) throw new Error(`lttng ${args.join(' ')}: ${run.stdout}${run.stderr}`)
  }
}

function answers(folder: string): boolean {
  return lttng(folder, ['list']).status === 0
}

function lttng(folder: string, args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync('lttng', [...GROUP, '--no-sessiond', ...args], optionsOf(folder))
}

function optionsOf(folder: string): SpawnSyncOptionsWithStringEncoding {
  // Programs wait for the daemon, so that no event is missed.
  const env = { ...process.env, LTTNG_HOME: join(folder, 'home'), LTTNG_UST_REGISTER_TIMEOUT: '-1' }
  return { ...USER, env, encoding: 'utf8' }
}
