/**
 * The vectors recorded from the kernel's relay, through the runner of `npm run conformance`; and
 * that runner itself.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { readScenario, reasonToSkip, runScenario, scenarioFiles } from './scenario.mjs'

const scenarios = scenarioFiles(fileURLToPath(new URL('vectors', import.meta.url))).map(readScenario)
const compared = scenarios.filter((scenario) => reasonToSkip(scenario) === undefined)

test('the vectors are all there, and only those that show memory bugs of the kernel are left out', () => {
  expect(scenarios.length).toBe(279)
  expect(compared.length).toBe(267)
  const skipped = scenarios.filter((scenario) => !compared.includes(scenario))
  expect(skipped.every((scenario) => scenario.kernel_bug !== undefined)).toBe(true)
})

describe('relay answers as the kernel does, and is in the same state after every operation', () => {
  test.each(compared)('$name', (scenario) => {
    expect(runScenario(scenario)).toEqual([])
  })
})

describe('npm run conformance', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rchan-conformance-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [fileURLToPath(new URL('run.mjs', import.meta.url)), ...args], {
      encoding: 'utf8',
    })
  const put = (name: string, scenario: unknown): void =>
    writeFileSync(join(folder, name), JSON.stringify(scenario))
  const MACHINE = { op: 'machine', online: [0] }
  const right = { ops: [MACHINE], expect: [{ state: { online: [0], ch: {}, fd: {} } }] }

  test('fails when nothing passed', () => {
    expect(run(folder)).toMatchObject({ status: 1, stdout: '0 passed, 0 failed, 0 skipped\n' })
  })

  test('passes a folder in which none failed, and counts what it skips', () => {
    put('a.json', right)
    put('b.json', { ...right, kernel_bug: 'yes' })
    put('c.json', { ...right, needs: ['time_travel'] })
    expect(run(folder)).toMatchObject({ status: 0, stdout: '1 passed, 0 failed, 2 skipped\n' })
  })

  test('names the scenario, the operation and the field of a failure, with expected and actual', () => {
    put('wrong.json', { ...right, expect: [{ state: { online: [1], ch: {}, fd: {} } }] })
    put('broken.json', { ops: [MACHINE] })
    const { status, stdout } = run(folder)
    expect(status).toBe(1)
    expect(stdout).toContain('FAILED wrong.json\n  operation 0: {"op":"machine","online":[0]}\n')
    expect(stdout).toContain('state.online: expected [1], got [0]')
    expect(stdout).toContain('broken.json is no scenario')
    expect(stdout).toMatch(/1 passed, 2 failed, 2 skipped\n$/)
  })

  test('says which folder it cannot read, with status 2', () => {
    const missing = join(folder, 'missing')
    const { status, stderr } = run(missing)
    expect(status).toBe(2)
    expect(stderr).toContain(missing)
    expect(run().status).toBe(2)
  })
})
