// Runs the tests on each version of Node that is supported: `npm run test:nodes -- [20|22|24|26]…`.
// All versions test the same build. npm fetches each binary once, into node_modules/.cache; they
// are in no lockfile. Exit status: 0 if all tests passed on all versions, 1 if not or if a version
// can't be fetched, 2 for misuse.
import { spawn, spawnSync } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageFor, runLine, selectVersions, stuckText, summary, USAGE } from './nodes.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const cache = join(root, 'node_modules/.cache/rchan-nodes')
/**
 * A run in which no test begins or ends for so long has hung. vitest ends a test after 5 minutes,
 * unless the test blocks its process.
 */
const STUCK_MS = 11 * 60_000
const LOOK_MS = 5000
const FETCH_DEADLINE_MS = 10 * 60_000

function isMusl() {
  if (process.platform !== 'linux') return false
  process.report.excludeNetwork = true // Else it may look up names.
  return process.report.getReport().header.glibcVersionRuntime === undefined
}

/** Returns the binary's path. Fetches the binary if it is missing. */
function fetchNode(version) {
  const { name, binary } = packageFor(process.platform, process.arch, isMusl())
  const place = join(cache, version)
  const path = join(place, 'node_modules', name, binary)
  if (!existsSync(path)) {
    console.log(`node v${version}: fetching ${name}@${version}`)
    // Renamed when it is complete, so that the rest of an interrupted run is not taken for a
    // binary.
    const partial = join(cache, `partial-${process.pid}`)
    mkdirSync(partial, { recursive: true })
    const flags = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
    const args = ['install', '--prefix', partial, ...flags, `${name}@${version}`]
    const npm = process.env.npm_execpath
    const fetched = spawnSync(
      npm === undefined ? 'npm' : process.execPath,
      npm === undefined ? args : [npm, ...args],
      {
        cwd: partial,
        encoding: 'utf8',
        shell: npm === undefined && process.platform === 'win32',
        timeout: FETCH_DEADLINE_MS,
      },
    )
    if (fetched.status !== 0) {
      rmSync(partial, { recursive: true, force: true })
      const why = fetched.error?.message ?? `${fetched.stdout}${fetched.stderr}`.trim()
      throw new Error(`npm could not fetch ${name}@${version}:\n${why}`)
    }
    rmSync(place, { recursive: true, force: true })
    renameSync(partial, place)
  }
  const { stdout, error } = spawnSync(path, ['--version'], { encoding: 'utf8' })
  if (stdout?.trim() !== `v${version}`) {
    throw new Error(
      `${path} does not run: ${error?.message ?? `it says ${stdout}`}. Remove ${cache} and try again`,
    )
  }
  return path
}

/** Runs all tests with a binary. Child processes that are started as `node` get it, too. */
async function runTests(version, node) {
  const report = join(cache, `${version}.json`)
  const log = join(cache, `${version}.log`)
  const running = join(cache, `${version}.running.json`)
  for (const old of [report, running]) rmSync(old, { force: true })
  const before = performance.now()
  const child = spawn(
    node,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--reporter=default',
      `--reporter=${join(root, 'scripts/running.mjs')}`,
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    {
      cwd: root,
      env: {
        ...process.env,
        PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
        RCHAN_RUNNING: running,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, which can be ended as a whole.
      detached: process.platform !== 'win32',
    },
  )
  const out = createWriteStream(log)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
      out.write(text)
    })
  }
  const stop = () => {
    end(child)
    process.exit(1)
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)
  let problem
  const watch = setInterval(() => {
    const last = existsSync(running) ? Date.now() - statSync(running).mtimeMs : performance.now() - before
    if (last < STUCK_MS) return
    problem ??= stuckText(last / 1000, jsonOf(running))
    end(child)
  }, LOOK_MS)
  const [status, signal] = await once(child, 'close')
  clearInterval(watch)
  for (const name of ['SIGINT', 'SIGTERM']) process.off(name, stop)
  out.end()
  const seconds = (performance.now() - before) / 1000
  const counts = jsonOf(report)
  const run = {
    version,
    passed: counts?.numPassedTests ?? 0,
    failed: counts?.numFailedTests ?? 0,
    skipped: (counts?.numPendingTests ?? 0) + (counts?.numTodoTests ?? 0),
    seconds,
  }
  // A run that was ended has a reason already.
  if (problem !== undefined) problem += '; it was ended'
  else if (status === null) problem = `vitest was ended by ${signal}`
  else if (counts === undefined) problem = `vitest ended with ${status} and no report`
  // A file that can't be loaded has no tests, so it has no failed tests either.
  else if (status !== 0 && run.failed === 0) problem = `vitest ended with ${status}`
  else if (run.passed === 0) problem = 'no test was run'
  if (run.failed > 0 || problem !== undefined) console.log(output)
  return { ...run, problem }
}

function jsonOf(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

/** Ends a run, with all processes that it has started. */
function end(child) {
  if (process.platform === 'win32') child.kill()
  else process.kill(-child.pid, 'SIGKILL')
}

async function main(args) {
  let versions
  try {
    versions = selectVersions(args)
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`)
    return 2
  }
  mkdirSync(cache, { recursive: true })
  const runs = []
  for (const version of versions) {
    let run
    try {
      run = await runTests(version, fetchNode(version))
    } catch (error) {
      run = { version, passed: 0, failed: 0, skipped: 0, seconds: 0, problem: error.message }
    }
    runs.push(run)
    console.log(runLine(run))
  }
  const { status, line } = summary(runs)
  console.log(line)
  return status
}

process.exitCode = await main(process.argv.slice(2))
