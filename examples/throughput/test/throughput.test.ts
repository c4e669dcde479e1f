import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { run, type RunOptions } from '../dist/run.js'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const DEFAULTS: RunOptions = {
  workers: 2,
  seconds: 0.6,
  recordBytes: 64,
  rate: 0,
  respawnSeconds: 0.15,
  mode: 'discard',
  signal: new AbortController().signal,
  tell: () => undefined,
}

test.each([
  ['flat out', {}],
  ['flat out, overwriting', { mode: 'overwrite' as const }],
  ['paced', { rate: 20_000, recordBytes: 33 }],
  ['one worker, large records', { workers: 1, recordBytes: 10_000 }],
])('attempts are delivered or lost, exactly, for each CPU: %s', async (_, options) => {
  const { cpus } = await run({ ...DEFAULTS, ...options })
  const { workers, recordBytes } = { ...DEFAULTS, ...options }
  expect(cpus.map(({ cpu }) => cpu).sort((a, b) => a - b)).toEqual(
    Array.from({ length: workers }, (_u, index) => index + 1),
  )
  for (const { attempted, delivered, discarded, overwritten, bytes } of cpus) {
    expect(attempted).toBeGreaterThan(0)
    expect(delivered + discarded + overwritten).toBe(attempted)
    expect(bytes).toBe(delivered * recordBytes)
  }
  expect(cpus.reduce((sum, each) => sum + each.workers, 0)).toBeGreaterThan(workers)
})

test('it prints a table whose numbers add up', async () => {
  const args = [MAIN, '--workers', '2', '--seconds', '1.2', '--respawn', '0.3', '--rate', '50000']
  const { stdout } = await promisify(execFile)(process.execPath, args)
  expect(stdout).toMatch(/^[\d,]+ records\/s, [\d.]+ MB\/s$/m)
  const rows = stdout.split('\n').filter((line) => /^ *(\d+|all) {2}/.test(line))
  expect(rows.length).toBe(3)
  for (const row of rows) {
    const [, , attempted, delivered, lost] = row
      .trim()
      .split(/ +/)
      .map((cell) => Number(cell.replaceAll(',', '')))
    expect(delivered + lost).toBe(attempted)
  }
})

test('Ctrl-C ends a run, with its table', async () => {
  const child = spawn(process.execPath, [MAIN, '--seconds', '1000', '--workers', '2'])
  let printed = ''
  child.stdout.on('data', (data: Buffer) => {
    if (!printed.includes('records/s')) child.kill('SIGINT')
    printed += data.toString()
  })
  const [code] = (await once(child, 'close')) as [number]
  expect(code).toBe(0)
  expect(printed).toMatch(/^all {2}/m)
})

test.each([
  [['--workers', '0'], '--workers 0 is not a number from 1 to 32'],
  [['--record', 'x'], '--record x is not a number from 1 to 65536'],
])('a bad option is refused: %s', async (args, message) => {
  await expect(promisify(execFile)(process.execPath, [MAIN, ...args])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining(message) as string,
  })
})
