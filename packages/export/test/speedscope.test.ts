/** What speedscope finds in our file: the same threads, slices and durations, by name. */
import { dirname, join } from 'node:path'
import { createRequire } from 'node:module'
import { toSpeedscope } from '@rchan/export'
import { expect, test } from 'vitest'
import { openPage, serve } from '../../../test/browser.ts'
import { MadeTrace } from './made-trace.ts'

const RELEASE = join(
  dirname(createRequire(import.meta.url).resolve('speedscope/package.json')),
  'dist/release',
)
const MS = 1_000_000n

test('speedscope shows each thread, and its spans by their names', async (context) => {
  const trace = new MadeTrace()
  const process = trace.process(1234)
  const main = trace.thread(process, 0)
  const worker = trace.thread(process, 3, 'decoder')
  const decode = trace.event('tile:decode', { id: 'u32' }, 'span')
  const inner = trace.event('tile:inner', {}, 'span')
  trace.happened(main, trace.event('begin'), 0n)
  trace.span(worker, inner, 20n * MS, 30n * MS)
  trace.span(worker, decode, 10n * MS, 60n * MS, { id: 7 })
  trace.span(worker, decode, 70n * MS, 80n * MS, { id: 8 }, 'failed')
  trace.span(main, decode, 15n * MS, 70n * MS, { id: 9 })

  const address = await serve(RELEASE, { 'trace.json': [...toSpeedscope(trace)].join('') })
  const errors: string[] = []
  const page = await openPage(context, errors)
  const body = page.locator('body')
  const rows = async (): Promise<string[]> =>
    (await page.locator('tr:visible').allInnerTexts())
      .slice(1)
      .map((row) => row.replaceAll(/\s+/g, ' ').trim())
  await page.goto(`${address}/#profileURL=${encodeURIComponent(`${address}/trace.json`)}`)
  await body.getByText('(1/2)').waitFor()
  await body.getByText('Sandwich').click()
  await page.locator('tr:visible').nth(1).waitFor()
  expect(await body.innerText()).toContain('process 1234 (pid 1234), main (tid 1234) (1/2)')
  expect(await rows()).toEqual(['55.00ms (100%) 55.00ms (100%) tile:decode'])
  // The next thread.
  await page.keyboard.press('n')
  await body.getByText('(2/2)').waitFor()
  expect(await body.innerText()).toContain('decoder (tid 10000003)')
  // Both calls are one entry, though their fields differ. One of them has failed, and is the same.
  expect(await rows()).toEqual([
    '60.00ms (100%) 50.00ms (83%) tile:decode',
    '10.00ms (17%) 10.00ms (17%) tile:inner',
  ])
  expect(errors).toEqual([])
})
