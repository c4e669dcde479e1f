/**
 * Records the programs beside this file, each with a fault at two strengths and near it without the
 * fault, and says which findings were found, missed, or false.
 *
 * `npm run findings` prints the table; `-- --write` puts it into docs/findings.md; names after it
 * choose programs.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { analyse, FINDING_IDS } from 'rchan/analysis'
import { findTraces, openTraces } from 'rchan/reader'

/** The programs whose names are not those of their findings. */
const FINDING_OF = {
  'one-worker-a-task': 'worker-starts',
  'workers-start-late': 'worker-starts',
  'never-came': 'idle-worker',
  'pool-never-came': 'idle-worker',
  'one-at-a-time': 'idle-worker',
  aborted: 'worker-starts',
  isolated: 'worker-starts',
  processes: 'more-threads-than-cpus',
  helpers: 'too-few-threads',
  'messages-large': 'serialization',
  'messages-stalled': 'main-thread-stalled',
  'messages-idle': 'idle-worker',
  'messages-uneven': 'uneven-work',
  'messages-too-few': 'too-few-threads',
  'messages-garbage': 'garbage-collection',
  'many-deaths': 'worker-died',
  'garbage-alone': 'garbage-collection',
  'server-stalled': 'main-thread-stalled',
}
const PROGRAMS = [...FINDING_IDS, ...Object.keys(FINDING_OF)]
const VARIANTS = ['strong', 'weak', 'healthy']
const COMMAND = fileURLToPath(new URL('../../dist/bin/rchan.cjs', import.meta.url))
const PAGE = fileURLToPath(new URL('../../../../docs/findings.md', import.meta.url))
const [BEGIN, END] = ['<!-- table: npm run findings -- --write -->', '<!-- end of the table -->']

function findingsOf(program, variant) {
  const dir = mkdtempSync(join(tmpdir(), 'rchan-findings-'))
  try {
    const file = fileURLToPath(new URL(`./${program}.mjs`, import.meta.url))
    const folder = join(dir, 'recording')
    const { status, stderr } = spawnSync(
      process.execPath,
      [COMMAND, 'record', '--quiet', '--dir', folder, '--', process.execPath, file, variant],
      // As many as there are CPUs, for the program that needs them.
      { encoding: 'utf8', env: { ...process.env, UV_THREADPOOL_SIZE: `${2 * availableParallelism()}` } },
    )
    if (status !== 0) throw new Error(`${program} ${variant} ended with ${status}: ${stderr}`)
    const folders = findTraces(folder)
    if (folders.length === 0) throw new Error(`${program} ${variant} was not recorded: ${stderr}`)
    return analyse(openTraces(folders)).findings
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const load = loadavg()[0].toFixed(1)
const rows = []
const wrong = []
for (const program of names.length > 0 ? names : PROGRAMS) {
  const id = FINDING_OF[program] ?? program
  const cells = VARIANTS.map((variant) => {
    const findings = findingsOf(program, variant)
    // Near `nothing-wrong` all is well, too.
    const expected = id === 'nothing-wrong' || variant !== 'healthy' ? id : undefined
    const others = findings.filter((found) => found.severity !== 'ok' && found.id !== expected)
    const isFound = findings.some((found) => found.id === expected)
    if (process.argv.includes('--verbose')) {
      for (const { title, evidence } of findings) {
        console.error(`${program} ${variant}: ${title}`)
        console.error(`  ${evidence.map(({ label, value, unit }) => `${label} ${value} ${unit}`).join(', ')}`)
      }
    }
    const verdict = expected === undefined ? 'silent' : isFound ? 'found' : '**missed**'
    const alarms = others.map((found) => `**false: ${found.id}**`)
    if (alarms.length > 0 || verdict === '**missed**') wrong.push(`${program} ${variant}`)
    return [...(verdict === 'silent' && alarms.length > 0 ? [] : [verdict]), ...alarms].join(', ')
  })
  rows.push([`\`${program}\``, `\`${id}\``, ...cells])
  console.error(rows.at(-1).join('  '))
}

const head = ['program', 'finding', ...VARIANTS]
const widths = head.map((text, column) => Math.max(text.length, ...rows.map((row) => row[column].length)))
const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
const table = [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
const summary =
  `${rows.length} programs, ${VARIANTS.length} runs each: ` +
  `${wrong.length === 0 ? 'none missed, no false alarm' : `wrong: ${wrong.join(', ')}`} ` +
  `(Node ${process.version}, ${availableParallelism()} CPUs, load ${load} at the start).`
console.log(`${table}\n\n${summary}`)
if (process.argv.includes('--write')) {
  const page = readFileSync(PAGE, 'utf8')
  const [before, rest] = page.split(BEGIN)
  const [, after] = rest.split(END)
  writeFileSync(PAGE, `${before}${BEGIN}\n\n${table}\n\n${summary}\n\n${END}${after}`)
}
process.exitCode = wrong.length === 0 ? 0 : 1
