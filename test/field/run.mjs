/**
 * Records programs that nobody here wrote, unmodified, and checks: they end and print as they do
 * without us, babeltrace2 reads all of the trace, and it has the tasks, workers and processes that
 * the program says it has.
 *
 * They are installed into a temporary folder, by the lock files beside this one.
 *
 * And it measures how closely recordings agree with others (`agreements.mjs`).
 *
 * `npm run field` prints the tables; `-- --write` puts them into docs/field.md; words after it
 * choose programs that have one of them in their names, or `agreement`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { analyse } from 'rchan/analysis'
import { findTraces, openTraces } from 'rchan/reader'
import { HEAD, measureAgreements } from './agreements.mjs'
import { PROGRAMS } from './programs.mjs'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const COMMAND = fileURLToPath(new URL('../../packages/rchan/dist/bin/rchan.cjs', import.meta.url))
const PAGE = fileURLToPath(new URL('../../docs/field.md', import.meta.url))
const PROGRAMS_HEAD = ['program', 'versions', 'exit', 'processes', 'workers', 'tasks', 'events', 'right']
/** A program that has not ended by then never will. */
const STUCK_MS = 900_000

/** Installs all programs. @returns the folder. */
function install() {
  const folder = mkdtempSync(join(tmpdir(), 'rchan-field-'))
  cpSync(HERE, folder, { recursive: true, filter: (path) => !path.includes('node_modules') })
  for (const place of [folder, join(folder, 'vitest3')]) {
    console.error(`installing into ${place}`)
    // Nothing of theirs runs before it is recorded.
    const { status, stderr } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: place,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    })
    if (status !== 0) throw new Error(`npm ci ended with ${status}: ${stderr}`)
  }
  return folder
}

async function run(command, args, options) {
  const started = performance.now()
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], timeout: STUCK_MS })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  const [code, signal] = await new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', (...how) => done(how))
  })
  return { code: code ?? signal, stdout, stderr, ms: performance.now() - started }
}

/** What is the same in each run: no times, no process numbers, no blank lines, in any order. */
function steady(text) {
  return text
    .split('\n')
    .filter((line) => !/^\s*(Start at |Duration |Time: |$)/.test(line))
    .map((line) =>
      line
        // Runners tell it only of slow tests.
        .replace(/ \(\d+(\.\d+)?\s?m?s\)$/, '')
        .replaceAll(/\b\d+(\.\d+)?\s?m?s\b/g, 'TIME')
        .replace(/^\(node:\d+\)/, '(node)')
        .trimEnd(),
    )
    .toSorted()
    .join('\n')
}

/** What the program has said on stderr, without what `rchan record` says when it has ended. */
function programsOwn(stderr) {
  return stderr.split(/^(?:rchan: |\n(?:[!?✓] |process +id +since ))/m)[0]
}

function countByBabeltrace(folders) {
  const args = [...folders, '-c', 'sink.utils.counter', '-p', 'step=+0,hide-zero=yes']
  const { status, stdout, stderr, error } = spawnSync('babeltrace2', args, { encoding: 'utf8' })
  if (error?.code === 'ENOENT') return undefined
  if (status !== 0) throw new Error(`babeltrace2 ended with ${status}: ${stderr}`)
  return Number(/^\s*(\d+) Event messages?\b/m.exec(stdout)?.[1] ?? 0)
}

function countsOf(folders) {
  const names = new Map()
  let written = 0
  for (const item of openTraces(folders).items()) {
    if (!('event' in item)) continue
    names.set(item.event.name, (names.get(item.event.name) ?? 0) + 1)
    // One that was cut has no record.
    if (!(item.type === 'span' && item.outcome === 'cut')) written += 1
  }
  return { count: (name) => names.get(name) ?? 0, written }
}

/** Runs a program without us, and recorded. @returns rows of the tables, and what is wrong. */
async function check(program, folder) {
  const { name, packages, command, cwd = '.', env = {}, exitCode } = program
  program.prepare?.(folder)
  const options = {
    cwd: join(folder, cwd),
    env: { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '', ...env },
  }
  const dir = mkdtempSync(join(tmpdir(), 'rchan-field-recording-'))
  try {
    const alone = await run(process.execPath, command, options)
    const recorded = await run(
      process.execPath,
      [COMMAND, 'record', '--quiet', '--dir', dir, '--', process.execPath, ...command],
      options,
    )
    const wrong = []
    const expectSame = (what, ours, theirs) => {
      if (ours !== theirs) wrong.push(`${what}: ${ours} recorded, ${theirs} expected`)
    }
    expectSame('exit code alone', alone.code, exitCode)
    expectSame('exit code', recorded.code, exitCode)
    expectSame('output', steady(recorded.stdout), steady(alone.stdout))
    expectSame('errors', steady(programsOwn(recorded.stderr)), steady(alone.stderr))
    const folders = findTraces(dir)
    const { count, written } = countsOf(folders)
    const tasks = program.tasks(alone.stdout)
    expectSame('tasks', count('task:begin'), tasks)
    expectSame('tasks that ended', count('task:end'), tasks)
    expectSame('workers', count('worker:life:begin'), program.workers ?? count('worker:life:begin'))
    expectSame('processes', folders.length, program.processes ?? folders.length)
    for (const [event, expected] of Object.entries(program.events ?? {})) {
      expectSame(event, count(event), expected)
    }
    expectSame('probes that failed', count('probe:off'), 0)
    const readable = countByBabeltrace(folders)
    expectSame('events that babeltrace2 reads', written, readable ?? written)
    const model = analyse(openTraces(folders))
    const versions = packages.map((path, n) => versionOf(folder, path, n === 0))
    if (process.argv.includes('--verbose')) console.error(recorded.stderr)
    return {
      wrong: wrong.map((text) => `${name}: ${text}`),
      checked: [
        name,
        versions.join(', '),
        `${recorded.code}`,
        `${folders.length}`,
        `${count('worker:life:begin')}`,
        `${tasks} / ${count('task:begin')}`,
        readable === undefined || readable === written ? `${written}` : `${written} / ${readable}`,
        wrong.length === 0 ? 'yes' : '**no**',
      ],
      found: foundIn(name, model, { alone, recorded, count }),
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** The version of a package. The first one has the name of the program. */
function versionOf(folder, path, isFirst) {
  const place = path.startsWith('vitest3/') ? join(folder, 'vitest3') : folder
  const name = path.replace('vitest3/', '')
  const { version } = JSON.parse(readFileSync(join(place, 'node_modules', name, 'package.json'), 'utf8'))
  return isFirst ? version : `${name} ${version}`
}

/** What the recording says about a program. */
function foundIn(name, model, { alone, recorded, count }) {
  const workers = model.threads.filter(({ role }) => role === 'worker')
  const sum = (of) => workers.reduce((total, thread) => total + of(thread), 0)
  const life = sum(({ from, to }) => Number(to) - Number(from))
  const percent = (ns) => `${((100 * ns) / life).toFixed(0)} %`
  const lines = [
    `${(alone.ms / 1000).toFixed(1)} s alone, ${(recorded.ms / 1000).toFixed(1)} s recorded` +
      (workers.length === 0
        ? ''
        : `; of the ${workers.length === 1 ? 'life of its worker' : `lives of its ${workers.length} workers`} ${percent(sum(({ onCpuNs }) => onCpuNs))} on a CPU, ` +
          `${percent(sum(({ waitingForCpuNs }) => waitingForCpuNs))} waiting for one, ` +
          `${percent(sum(({ gcNs }) => gcNs))} garbage collection; ${count('message:post')} messages`),
    ...model.pools.map(
      ({ name: pool, tasks, wait, run: time }) =>
        `\`${pool}\`: ${tasks} tasks, wait p50 ${ms(wait.p50)}, p99 ${ms(wait.p99)}` +
        (time.count === 0 ? ', run in child processes' : `, run p50 ${ms(time.p50)}, p99 ${ms(time.p99)}`),
    ),
    ...model.findings.map(({ id, severity, title }) => `\`${id}\` (${severity}): ${title}`),
  ]
  return [`**${name}**`, '', ...lines.map((line) => `- ${line}`)].join('\n')
}

function ms(ns) {
  return `${(ns / 1e6).toFixed(ns < 1e6 ? 2 : 1)} ms`
}

function tableOf(head, rows) {
  const widths = head.map((text, column) => Math.max(text.length, ...rows.map((row) => row[column].length)))
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

const words = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const isChosen = (name) => words.length === 0 || words.some((word) => name.includes(word))
const machine = `Node ${process.version}, ${availableParallelism()} CPUs, load ${loadavg()[0].toFixed(1)} at the start`

/** Prints a part of the page, and puts it there if that is asked for. */
function tell(part, text) {
  console.log(text)
  if (!process.argv.includes('--write')) return
  const [begin, end] = [`<!-- ${part}: npm run field -- --write -->`, `<!-- end of ${part} -->`]
  const page = readFileSync(PAGE, 'utf8')
  const [before, rest] = page.split(begin)
  const [, after] = rest.split(end)
  writeFileSync(PAGE, `${before}${begin}\n\n${text}\n\n${end}${after}`)
}

if (isChosen('agreement')) {
  tell('agreement', `${tableOf(HEAD, measureAgreements())}\n\n(${machine}.)`)
}
const chosen = PROGRAMS.filter(({ name }) => isChosen(name))
if (chosen.length > 0) {
  const given = process.env.RCHAN_FIELD
  const folder = given ?? install()
  const results = []
  try {
    for (const program of chosen) {
      results.push(await check(program, folder))
      const { checked, wrong } = results.at(-1)
      console.error(checked.join('  '))
      for (const text of wrong) console.error(`  ${text}`)
    }
  } finally {
    if (given === undefined) rmSync(folder, { recursive: true, force: true })
  }
  const wrong = results.flatMap((result) => result.wrong)
  const rows = results.map(({ checked }) => checked)
  const verdict = wrong.length === 0 ? 'nothing differs' : `differences in ${wrong.length} points`
  const found = results.map((result) => result.found).join('\n\n')
  tell(
    'programs',
    `${tableOf(PROGRAMS_HEAD, rows)}\n\n${found}\n\n${rows.length} programs: ${verdict} (${machine}).`,
  )
  process.exitCode = wrong.length === 0 ? 0 : 1
}
