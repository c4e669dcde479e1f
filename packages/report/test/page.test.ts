/** The page in a real browser: what is drawn, and what it answers to. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { toReport } from '@rchan/report'
import type { Page } from 'playwright-core'
import { afterAll, describe, expect, test } from 'vitest'
import { openPage } from '../../../test/browser.ts'
import { MadeRecording, MS } from '../../analysis/test/made-recording.ts'
import { MadeTrace } from '../../export/test/made-trace.ts'
import { dataOf } from './pages-of-reports.ts'

const folder = mkdtempSync(join(tmpdir(), 'rchan-page-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A pool of workers, with collections, stalls, a failed task and lost records. */
function poolRecording(workers: number, tasks: number): MadeTrace {
  const made = new MadeRecording({ maxThreads: workers })
  for (let worker = 1; worker <= workers; worker += 1) made.life(worker, 1, 4000)
  for (let task = 0; task < tasks; task += 1) {
    const worker = 1 + (task % workers)
    const start = 60 + Math.floor(task / workers) * 20
    made.task({
      worker,
      queued: 55,
      dispatched: start,
      started: start + 1,
      finished: start + 17,
      handled: start + 19,
      onCpu: 10,
      waitingForCpu: 4,
      failed: task === 3,
      given: `{ n: ${task} }`,
    })
    if (task % 5 === 0) made.gc(worker, start + 4, start + 7)
    made.cpu(worker, start, task * 10, task * 4)
  }
  const trace = made.finished()
  const { main } = made
  trace.span(main, trace.event('loop:stall', { limitMs: 'u32' }, 'span'), BigInt(100 * MS), BigInt(180 * MS))
  const user = trace.event('step', { file: 'string' }, 'span')
  trace.span(made.worker(1), user, BigInt(64 * MS), BigInt(70 * MS), { file: 'needle.txt' })
  trace.add({
    type: 'loss',
    time: BigInt(200 * MS),
    from: BigInt(190 * MS),
    to: BigInt(200 * MS),
    thread: made.worker(1),
    cpu: 1,
    events: 3,
  })
  return trace
}

/** Opens a report from the disk, and waits until it is drawn. */
async function show(page: Page, name: string, html: string): Promise<number> {
  const file = join(folder, `${name}.html`)
  writeFileSync(file, html)
  await page.goto(pathToFileURL(file).href)
  const isDrawn = (): boolean => performance.getEntriesByName('rchan:drawn').length > 0
  await page.waitForFunction(isDrawn, undefined, { timeout: 240_000 })
  return await page.evaluate(() => performance.getEntriesByName('rchan:drawn')[0].startTime)
}

/** The address within the page. Playwright's own comes later. */
async function hashOf(page: Page): Promise<string> {
  return await page.evaluate(() => location.hash)
}

interface Shown {
  readonly from: number
  readonly to: number
  readonly slice: number
}

/** What the timeline shows, once it is drawn again. */
async function shown(page: Page): Promise<Shown> {
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))))
  return await page.locator('#timeline').evaluate((canvas) => {
    const { from, to, slice } = (canvas as HTMLElement).dataset
    return { from: Number(from), to: Number(to), slice: Number(slice) }
  })
}

/** How many pixels of the timeline have a colour of the style sheet. */
async function pixelsOf(page: Page, color: string): Promise<number> {
  return await page.evaluate((name) => {
    const canvas = document.querySelector('canvas') as HTMLCanvasElement
    const probe = document.createElement('canvas').getContext('2d') as CanvasRenderingContext2D
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim()
    probe.fillRect(0, 0, 1, 1)
    const [r, g, b] = probe.getImageData(0, 0, 1, 1).data
    const all = (canvas.getContext('2d') as CanvasRenderingContext2D).getImageData(
      0,
      0,
      canvas.width,
      canvas.height,
    )
    let count = 0
    for (let at = 0; at < all.data.length; at += 4) {
      if (all.data[at] === r && all.data[at + 1] === g && all.data[at + 2] === b) count += 1
    }
    return count
  }, `--${color}`)
}

/** Where the first slice of a colour is, in pixels of the page. */
async function placeOf(page: Page, color: string): Promise<{ x: number; y: number }> {
  return await page.evaluate((name) => {
    const canvas = document.querySelector('canvas') as HTMLCanvasElement
    const probe = document.createElement('canvas').getContext('2d') as CanvasRenderingContext2D
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim()
    probe.fillRect(0, 0, 1, 1)
    const [r, g, b] = probe.getImageData(0, 0, 1, 1).data
    const context = canvas.getContext('2d') as CanvasRenderingContext2D
    const { data, width } = context.getImageData(0, 0, canvas.width, canvas.height)
    for (let at = 60 * width * 4; at < data.length; at += 4) {
      if (data[at] !== r || data[at + 1] !== g || data[at + 2] !== b) continue
      const { left, top } = canvas.getBoundingClientRect()
      return { x: left + ((at / 4) % width) + 1, y: top + Math.floor(at / 4 / width) + 5 }
    }
    throw new Error(`nothing is drawn in ${name}`)
  }, `--${color}`)
}

describe('the page of a pool', () => {
  const html = toReport(poolRecording(3, 60))

  test('draws tasks, collections, stalls, losses and bands; is found without a network', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    const requests: string[] = []
    page.on('request', (request) => requests.push(request.url()))
    await show(page, 'pool', html)
    for (const color of ['c0', 'gc', 'stall', 'bad', 'on-cpu', 'waiting', 'accent', 'ink']) {
      expect(await pixelsOf(page, color), color).toBeGreaterThan(10)
    }
    expect(requests.filter((url) => !url.startsWith('file:') && !url.startsWith('data:'))).toEqual([])
    expect(errors).toEqual([])
  })

  test('zooms and pans by keys, wheel, drag, buttons and the overview', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'keys', html)
    const all = await shown(page)
    await page.keyboard.press('w')
    const near = await shown(page)
    expect(near.to - near.from).toBeLessThan(all.to - all.from)
    await page.keyboard.press('d')
    const right = await shown(page)
    expect([right.from > near.from, Math.round(right.to - right.from)]).toEqual([
      true,
      Math.round(near.to - near.from),
    ])
    await page.keyboard.press('s')
    await page.keyboard.press('f')
    expect(await shown(page)).toEqual(all)

    const box = (await page.locator('#timeline').boundingBox()) as {
      x: number
      y: number
      width: number
      height: number
    }
    await page.mouse.move(box.x + 800, box.y + 150)
    await page.keyboard.down('Control')
    await page.mouse.wheel(0, -300)
    await page.mouse.wheel(0, -300)
    await page.keyboard.up('Control')
    const wheeled = await shown(page)
    expect(wheeled.to - wheeled.from).toBeLessThan(all.to - all.from)
    await page.mouse.down()
    await page.mouse.move(box.x + 700, box.y + 150, { steps: 4 })
    await page.mouse.up()
    const dragged = await shown(page)
    expect(dragged.from).toBeGreaterThan(wheeled.from)
    expect(dragged.slice).toBe(-1)
    await page.keyboard.down('Shift')
    await page.mouse.wheel(0, -200)
    await page.keyboard.up('Shift')
    expect((await shown(page)).from).toBeLessThan(dragged.from)

    // A wheel alone scrolls the page, over the names and over the rows.
    const before = await shown(page)
    for (const x of [50, 800]) {
      await page.mouse.move(box.x + x, box.y + 150)
      await page.mouse.wheel(0, 100)
      await page.waitForFunction(() => scrollY > 0)
      expect(await shown(page)).toEqual(before)
      await page.evaluate(() => scrollTo(0, 0))
    }

    const again = (await page.locator('#timeline').boundingBox()) as typeof box
    await page.mouse.click(again.x + again.width - 10, again.y + 10)
    expect((await shown(page)).to).toBe(all.to)
    // The window is moved by a drag.
    await page.mouse.move(again.x + again.width - 10, again.y + 10)
    await page.mouse.down()
    await page.mouse.move(again.x + again.width - 210, again.y + 10, { steps: 4 })
    await page.mouse.up()
    const moved = await shown(page)
    expect(moved.to).toBeLessThan(all.to)
    expect(moved.to - moved.from).toBeCloseTo(wheeled.to - wheeled.from, -3)
    await page.click('#fit')
    expect(await shown(page)).toEqual(all)
    // Of all that is shown a part is chosen.
    await page.mouse.move(again.x + 900, again.y + 10)
    await page.mouse.down()
    await page.mouse.move(again.x + 700, again.y + 10, { steps: 4 })
    await page.mouse.up()
    const between = await shown(page)
    expect([between.from > all.from, between.to < all.to]).toEqual([true, true])
    await page.click('#fit')
    await page.click('#in')
    expect((await shown(page)).to).toBeLessThan(all.to)
    expect(errors).toEqual([])
  })

  test('zooms by two fingers, and pans by one', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'touch', html)
    const all = await shown(page)
    const touch = async (kind: string, id: number, x: number): Promise<void> => {
      await page.locator('#timeline').evaluate(
        (canvas, [type, pointerId, clientX]) => {
          const { left, top } = canvas.getBoundingClientRect()
          // A synthetic pointer can't be captured.
          ;(canvas as HTMLElement).setPointerCapture = () => undefined
          const at = { clientX: left + clientX, clientY: top + 120 }
          canvas.dispatchEvent(
            new PointerEvent(type, { ...at, pointerId, pointerType: 'touch', bubbles: true }),
          )
        },
        [kind, id, x] as [string, number, number],
      )
    }
    await touch('pointerdown', 1, 600)
    await touch('pointerdown', 2, 700)
    await touch('pointermove', 1, 400)
    await touch('pointermove', 2, 900)
    const pinched = await shown(page)
    expect(pinched.to - pinched.from).toBeLessThan((all.to - all.from) / 2)
    await touch('pointerup', 2, 900)
    await touch('pointermove', 1, 500)
    expect((await shown(page)).from).toBeLessThan(pinched.from)
    await touch('pointerup', 1, 500)
    expect(errors).toEqual([])
  })

  test('a click on a task shows its stages, and its address leads back to it', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'click', html)
    const place = await placeOf(page, 'c0')
    await page.mouse.move(place.x, place.y)
    await page.waitForSelector('#tooltip:not([hidden])')
    expect(await page.locator('#tooltip div').allTextContents()).toEqual([
      'resize 16.0 ms',
      'at 61.0 ms on worker #3',
      'in the queue 5.00 ms, to the worker 1.00 ms',
    ])
    await page.mouse.click(place.x, place.y)
    const { slice } = await shown(page)
    expect(slice).toBeGreaterThanOrEqual(0)
    const detail = (await page.textContent('#detail')) as string
    for (const part of [
      'resize',
      'of piscina-1',
      '{ n: ',
      'in the queue',
      'to the worker 1.00 ms',
      'run 16.0 ms',
      'on a CPU',
      'waiting for a CPU 4.00 ms',
    ]) {
      expect(detail).toContain(part)
    }
    const address = await page.evaluate(() => location.href)
    await page.goto('about:blank')
    await page.goto(address)
    await page.waitForFunction(() => performance.getEntriesByName('rchan:drawn').length > 0)
    expect((await shown(page)).slice).toBe(slice)
    // By keys to the next task of the worker, and away.
    await page.keyboard.press('n')
    expect((await shown(page)).slice).toBe(slice + 1)
    await page.keyboard.press('p')
    expect((await shown(page)).slice).toBe(slice)
    await page.keyboard.press('Escape')
    expect((await shown(page)).slice).toBe(-1)
    expect(errors).toEqual([])
  })

  test('a finding and a task of the table lead into the timeline', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'links', html)
    const all = await shown(page)
    await page.locator('#slowest tbody a').first().click()
    const task = await shown(page)
    expect(task.to - task.from).toBeLessThan((all.to - all.from) / 2)
    expect(task.slice).toBeGreaterThanOrEqual(0)
    expect(await page.textContent('#detail')).toContain('in the queue')
    // An address that leads nowhere changes nothing.
    for (const hash of ['#slice=1e9', '#task=-2', '#thread=0.5', '#from=x&to=y', '#%', '#timeline']) {
      await page.evaluate((address) => {
        location.hash = address
      }, hash)
      await shown(page)
    }
    const link = page.locator('#findings a').first()
    const target = new URLSearchParams(((await link.getAttribute('href')) as string).slice(1))
    await link.click()
    const finding = await shown(page)
    expect(finding.from).toBeLessThanOrEqual(Number(target.get('from')))
    expect(finding.to).toBeGreaterThanOrEqual(Math.min(all.to, Number(target.get('to'))))
    // It says there what was found; a link there would lead nowhere.
    expect(await page.locator('#detail .claim').textContent()).toContain(await link.textContent())
    expect(await page.locator('#detail a').count()).toBe(0)
    expect(errors).toEqual([])
  })

  test('the legend has the colours of names, and of what else is drawn, but not of what is not', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'legend', html)
    const entries = page.locator('#legend span')
    expect(await entries.allTextContents()).toEqual([
      'resize',
      'step',
      'on a CPU',
      'waiting for a CPU',
      'garbage collection',
      'event loop stands still',
      'failed',
      'lost records',
      'thread not there',
    ])
    const colorOf = async (name: string): Promise<string> =>
      await entries
        .filter({ hasText: name })
        .locator('i')
        .evaluate((mark) => getComputedStyle(mark).backgroundColor)
    const expected = await page.evaluate(() => {
      const probe = document.body.appendChild(document.createElement('i'))
      return ['c0', 'c1', 'gc'].map((name) => {
        probe.style.background = `var(--${name})`
        return getComputedStyle(probe).backgroundColor
      })
    })
    expect(new Set(expected).size).toBe(3)
    expect([await colorOf('resize'), await colorOf('step'), await colorOf('garbage')]).toEqual(expected)
    expect(errors).toEqual([])
  })

  test('keys lead from lane to lane and along each, and back', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'lanes', html)
    const { lanes, slices, threads } = dataOf(html)
    /** What is chosen: its thread, the depth of its lane, and where in the lane it is. */
    const where = async (): Promise<string> => {
      const { slice } = await shown(page)
      if (slice < 0) return (await page.locator('#detail .claim').textContent()) ?? ''
      const at = lanes.findIndex(({ first, count }) => slice >= first && slice < first + count)
      const depth = lanes.slice(0, at).filter(({ thread }) => thread === lanes[at].thread).length
      return `${threads[lanes[at].thread].id} lane ${depth} at ${slices.start[slice] / MS}`
    }
    const seen: string[] = []
    await page.focus('#timeline')
    for (const key of ['j', 'j', 'p', 'j', 'k', 'j', 'j']) {
      await page.keyboard.press(key)
      seen.push(await where())
    }
    // The main thread has no lane. What is nearest in time is taken, and that time is kept.
    expect(seen).toEqual([
      'main',
      '3 lane 0 at 441',
      '3 lane 0 at 421',
      '3 lane 1 at 384',
      '3 lane 0 at 421',
      '3 lane 1 at 384',
      '2 lane 0 at 421',
    ])
    const down = await where()
    for (let count = 0; count < 12; count += 1) await page.keyboard.press('j')
    const last = await where()
    await page.keyboard.press('j')
    expect(await where()).toBe(last)
    expect(last).not.toBe(down)
    for (let count = 0; count < 20; count += 1) await page.keyboard.press('k')
    expect(await where()).toBe('main')
    expect(await hashOf(page)).toBe('#thread=0')
    expect(errors).toEqual([])
  })

  test('a search counts spans by name and field, dims the others, and goes from one to the next', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'search', html)
    const before = await pixelsOf(page, 'c0')
    await page.fill('#search', 'NEEDLE')
    expect(await page.textContent('#matches')).toBe('1 span')
    await shown(page)
    expect(await pixelsOf(page, 'c0')).toBeLessThan(before / 2)
    await page.press('#search', 'Enter')
    expect(await page.textContent('#detail')).toContain('file: needle.txt')
    await page.fill('#search', 'resize')
    expect(await page.textContent('#matches')).toBe('60 spans')
    await page.press('#search', 'Enter')
    const { slice } = await shown(page)
    expect(await page.textContent('#matches')).toBe('4 of 60 spans')
    await page.press('#search', 'Enter')
    expect((await shown(page)).slice).not.toBe(slice)
    expect(await page.textContent('#matches')).toBe('5 of 60 spans')
    await page.press('#search', 'Shift+Enter')
    expect((await shown(page)).slice).toBe(slice)
    await page.click('#next')
    expect(await page.textContent('#matches')).toBe('5 of 60 spans')
    await page.click('#previous')
    expect((await shown(page)).slice).toBe(slice)
    // Letters are for the field.
    const { from, to } = await shown(page)
    await page.type('#search', 'wasd')
    expect(await shown(page)).toMatchObject({ from, to })
    expect(await page.textContent('#matches')).toBe('0 spans')
    expect(await page.locator('#steps').isVisible()).toBe(false)
    // A key leads to the field, and is not written there.
    await page.fill('#search', '')
    await page.focus('#timeline')
    await page.keyboard.press('/')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('search')
    expect(await page.inputValue('#search')).toBe('')
    expect(errors).toEqual([])
  })

  test('the overview has marks where something was found', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'found', html)
    /** Columns of the overview that begin in the colour of marks. */
    const marks = async (): Promise<number> =>
      await page.locator('#timeline').evaluate((canvas) => {
        const { width } = canvas as HTMLCanvasElement
        const context2d = (canvas as HTMLCanvasElement).getContext('2d') as CanvasRenderingContext2D
        const { data } = context2d.getImageData(200, 4, width - 210, 1)
        let count = 0
        for (let at = 0; at < data.length; at += 4) if (data[at] < 40 && data[at + 2] < 60) count += 1
        return count
      })
    expect(await marks()).toBe(0)
    await page.fill('#search', 'resize')
    await shown(page)
    expect(await marks()).toBeGreaterThan(5)
    await page.fill('#search', 'nothing has this name')
    await shown(page)
    expect(await marks()).toBe(0)
    expect(errors).toEqual([])
  })

  test('a part of the time is marked and summed up: by a drag on the axis, with Shift, by a key', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'marked', html)
    const all = await shown(page)
    const box = (await page.locator('#timeline').boundingBox()) as { x: number; y: number }
    const drag = async (from: number, to: number, y: number): Promise<void> => {
      await page.mouse.move(box.x + from, box.y + y)
      await page.mouse.down()
      await page.mouse.move(box.x + to, box.y + y + 2, { steps: 5 })
      await page.mouse.up()
    }
    const marked = async (): Promise<{ from: number; to: number }> => {
      const target = new URLSearchParams((await hashOf(page)).slice(1))
      return { from: Number(target.get('from')), to: Number(target.get('to')) }
    }
    await drag(700, 900, 36)
    const first = await marked()
    expect(first.from).toBeGreaterThan(all.from)
    expect(first.to).toBeGreaterThan(first.from)
    // It stays where it is.
    expect(await shown(page)).toEqual(all)
    expect(await page.textContent('#detail .claim')).toMatch(/ marked$/)
    await page.keyboard.press('f')
    const fitted = await shown(page)
    expect(fitted.from).toBeLessThan(first.from)
    expect(fitted.to - fitted.from).toBeLessThan((first.to - first.from) * 1.5)
    await page.keyboard.press('f')
    expect(await shown(page)).toEqual(all)
    // Leftwards, over the rows.
    await page.keyboard.down('Shift')
    await drag(800, 600, 200)
    await page.keyboard.up('Shift')
    const second = await marked()
    expect([second.from < first.from, second.to < first.to]).toEqual([true, true])
    expect(await shown(page)).toEqual(all)
    // The address leads back to it.
    const words = await page.textContent('#detail')
    const address = await page.evaluate(() => location.href)
    await page.goto('about:blank')
    await page.goto(address)
    await page.waitForFunction(() => performance.getEntriesByName('rchan:drawn').length > 0)
    expect(await page.textContent('#detail')).toBe(words)
    await page.keyboard.press('Escape')
    expect([await hashOf(page), await page.locator('#detail table').count()]).toEqual(['', 0])

    // The time of a task: what is on all threads then.
    await page.locator('#slowest tbody a').first().click()
    await page.keyboard.press('m')
    expect(await page.textContent('#detail .claim')).toBe('16.0 ms marked')
    const rows = async (table: number): Promise<string[][]> =>
      await page
        .locator('#detail table')
        .nth(table)
        .locator('tbody tr')
        .evaluateAll((found) =>
          found.map((row) => [...(row as HTMLTableRowElement).cells].map((cell) => cell.textContent)),
        )
    expect((await rows(0)).map(([thread]) => thread).toSorted()).toEqual([
      'worker #1',
      'worker #2',
      'worker #3',
    ])
    const [task] = await rows(1)
    expect(task).toEqual(['resize', '3', '48.0 ms', '16.0 ms'])
    // What is longest is a link.
    await page.locator('#detail table a').first().click()
    expect((await shown(page)).slice).toBeGreaterThanOrEqual(0)
    expect(await page.textContent('#detail')).toContain('in the queue')
    expect(errors).toEqual([])
  })

  test('a double-click fits a span, and shows all again', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'double', html)
    const all = await shown(page)
    const place = await placeOf(page, 'c0')
    await page.mouse.dblclick(place.x, place.y)
    const near = await shown(page)
    expect(near.slice).toBeGreaterThanOrEqual(0)
    expect(near.to - near.from).toBeLessThan(40 * MS)
    const box = (await page.locator('#timeline').boundingBox()) as { x: number; width: number }
    await page.mouse.dblclick(box.x + box.width * 0.6, place.y)
    expect(await shown(page)).toEqual({ ...all, slice: near.slice })
    expect(errors).toEqual([])
  })

  test('a list of the keys opens and closes, and has the keys for itself', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'help', html)
    const all = await shown(page)
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys and pointer' }).waitFor()
    await page.keyboard.press('w')
    expect(await shown(page)).toEqual(all)
    await page.keyboard.press('Escape')
    expect(await page.locator('#keys').isVisible()).toBe(false)
    await page.getByRole('button', { name: 'keys' }).click()
    await page.getByRole('button', { name: 'close' }).click()
    expect(await page.locator('#keys').isVisible()).toBe(false)
    expect(errors).toEqual([])
  })

  test('says once how to zoom to who turns the wheel alone', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 600 })
    await show(page, 'wheel', html)
    const box = (await page.locator('#timeline').boundingBox()) as { x: number; y: number }
    await page.mouse.move(box.x + 700, box.y + 100)
    await page.mouse.wheel(0, 20)
    await page.locator('#zoom-hint').waitFor()
    await page.locator('#zoom-hint').waitFor({ state: 'hidden' })
    await page.mouse.wheel(0, 20)
    await shown(page)
    expect(await page.locator('#zoom-hint').isVisible()).toBe(false)
    expect(errors).toEqual([])
  })

  test('a line is at the pointer; what is said there stays in the window', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'pointer', html)
    const before = await pixelsOf(page, 'ink')
    const box = (await page.locator('#timeline').boundingBox()) as { x: number; y: number; height: number }
    await page.mouse.move(box.x + 700, box.y + 36)
    await shown(page)
    // The time stands on ground of that colour.
    expect(await pixelsOf(page, 'ink')).toBeGreaterThan(before + 100)
    await page.mouse.move(10, 10)
    await shown(page)
    expect(await pixelsOf(page, 'ink')).toBe(before)
    // A row at the foot of the window.
    const place = await placeOf(page, 'c0')
    await page.setViewportSize({ width: 1400, height: Math.ceil(place.y) + 8 })
    await shown(page)
    await page.mouse.move(place.x, place.y)
    await page.waitForSelector('#tooltip:not([hidden])')
    const { bottom, high } = await page.locator('#tooltip').evaluate((tooltip) => ({
      bottom: tooltip.getBoundingClientRect().bottom,
      high: innerHeight,
    }))
    expect(bottom).toBeLessThanOrEqual(high)
    expect(errors).toEqual([])
  })

  test('a thread that is chosen has its spans by name; a stall leads to what was in it', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'sums', html)
    await page.locator('#threads tbody a', { hasText: 'worker' }).first().click()
    expect(await page.locator('#detail tbody th').allTextContents()).toEqual(['resize', 'gc', 'step'])
    expect(await page.locator('#spans tbody tr').first().locator('th, td').allTextContents()).toEqual([
      'resize',
      '60',
      '960 ms',
      '16.0 ms',
      '16.0 ms',
      '1',
    ])
    await page.locator('#spans tbody th a', { hasText: 'step' }).click()
    expect(await page.textContent('#matches')).toBe('1 span')
    expect(await page.inputValue('#search')).toBe('step')
    const { top } = await page.locator('#search').evaluate((field) => field.getBoundingClientRect())
    expect(top >= 0 && top < 900).toBe(true)
    await page.locator('#stalls a').first().click()
    expect(await page.textContent('#detail .claim')).toBe('80.0 ms marked')
    const { from, to } = await shown(page)
    expect([from < 100 * MS, to > 180 * MS, to - from < 120 * MS]).toEqual([true, true, true])
    expect(errors).toEqual([])
  })

  test('tables are sorted by a click on a head', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'tables', html)
    expect(await page.locator('#slowest [aria-sort]').allTextContents()).toEqual(['total'])
    const head = page.locator('#slowest thead th', { hasText: 'queued' })
    const column = await head.evaluate((cell) => (cell as HTMLTableCellElement).cellIndex)
    const values = async (): Promise<number[]> =>
      await page
        .locator('#slowest tbody tr')
        .evaluateAll(
          (rows, at) => rows.map((row) => Number((row as HTMLTableRowElement).cells[at].dataset.value)),
          column,
        )
    await head.locator('button').click()
    const falling = await values()
    expect(falling).toEqual([...falling].sort((a, b) => b - a))
    expect(new Set(falling).size).toBeGreaterThan(3)
    expect(await head.getAttribute('aria-sort')).toBe('descending')
    await head.locator('button').press('Enter')
    expect(await values()).toEqual(falling.toReversed())
    expect(errors).toEqual([])
  })

  test('follows the dark setting; on paper all rows are light', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'dark', html)
    const paper = async (): Promise<string> =>
      await page.evaluate(() => {
        const canvas = document.querySelector('canvas') as HTMLCanvasElement
        const context2d = canvas.getContext('2d') as CanvasRenderingContext2D
        return [...context2d.getImageData(2, 40, 1, 1).data].slice(0, 3).join(' ')
      })
    expect(await paper()).toBe('255 255 255')
    await page.emulateMedia({ colorScheme: 'dark' })
    await shown(page)
    expect(await paper()).toBe('20 23 27')
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')))
    expect(await paper()).toBe('255 255 255')
    await page.evaluate(() => dispatchEvent(new Event('afterprint')))
    expect(await paper()).toBe('20 23 27')
    expect((await page.pdf()).length).toBeGreaterThan(10_000)
    expect(errors).toEqual([])
  })

  test('has names and roles for who does not see it', async (context) => {
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 1400, height: 900 })
    await show(page, 'roles', html)
    const tree = await page.locator('body').ariaSnapshot()
    expect(tree).toContain('heading "Findings"')
    expect(tree).toMatch(/application "Timeline of 4 threads/)
    expect(tree).toContain('searchbox "Search"')
    expect(tree).toContain('columnheader "queued"')
    expect(tree).toContain('img "Run time')
    await page.focus('#timeline')
    const all = await shown(page)
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('ArrowRight')
    expect((await shown(page)).from).toBeGreaterThan(all.from)
    expect(errors).toEqual([])
  })
})

/** A trace of what is chosen in other ways: events, asynchronous spans, flows. */
function eventTrace(hasFlows = true): MadeTrace {
  const trace = new MadeTrace()
  const process = trace.process(1)
  const threads = [0, 1].map((id) => trace.thread(process, id))
  const work = trace.event('work', {}, 'span')
  const way = trace.event('way', {}, 'flow')
  const said = trace.event('said', { text: 'string' })
  for (let index = 0; index < 20; index += 1) {
    const time = index * 10 * MS
    const [here, there] = [threads[index % 2], threads[(index + 1) % 2]]
    const flow = (thread: typeof here, phase: 'start' | 'end', at: number): void => {
      const flowed = { id: BigInt(index), time: BigInt(at), thread, event: way, fields: {} }
      if (hasFlows) trace.add({ type: 'flow', phase, ...flowed })
    }
    flow(here, 'start', time + 3 * MS)
    trace.span(here, work, BigInt(time), BigInt(time + 5 * MS))
    trace.happened(here, said, BigInt(time + 6 * MS), { text: `word ${index}` })
    flow(there, 'end', time + 8 * MS)
  }
  return trace
}

test('an address leads to an event, a thread, a task without its run', async (context) => {
  const errors: string[] = []
  const page = await openPage(context, errors, { width: 1400, height: 900 })
  await show(page, 'events', toReport(eventTrace()))
  const detail = async (): Promise<string> => (await page.textContent('#detail')) ?? ''
  const openAgain = async (): Promise<void> => {
    const address = await page.evaluate(() => location.href)
    await page.goto('about:blank')
    await page.goto(address)
    await page.waitForFunction(() => performance.getEntriesByName('rchan:drawn').length > 0)
  }
  await page.focus('#timeline')
  // The first lane, its events, the next one.
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.keyboard.press('n')
  expect(await hashOf(page)).toMatch(/^#event=\d+$/)
  const event = await detail()
  expect(event).toMatch(/^said.*on main.*text: word \d+$/s)
  await openAgain()
  expect(await detail()).toBe(event)
  // A click on a name chooses the thread.
  const box = (await page.locator('#timeline').boundingBox()) as { x: number; y: number; height: number }
  await page.mouse.move(box.x + 20, box.y + box.height - 20)
  await page.waitForSelector('#tooltip:not([hidden])')
  expect(await page.textContent('#tooltip')).toMatch(/^worker 1/)
  await page.mouse.click(box.x + 20, box.y + box.height - 20)
  expect(await hashOf(page)).toBe('#thread=1')
  const thread = await detail()
  await openAgain()
  expect(await detail()).toBe(thread)

  const made = new MadeRecording()
  made.task({ worker: 3, queued: 10, dispatched: 20 })
  made.batch([3], 12, 10)
  const html = toReport(made.finished())
  await show(page, 'task', html)
  const { tasks } = dataOf(html)
  const cut = tasks.started.indexOf(-1)
  expect(cut).toBeGreaterThanOrEqual(0)
  await page.evaluate((task) => {
    location.hash = `#task=${task}`
  }, cut)
  await shown(page)
  expect(await detail()).toContain('The recording does not have its run.')
  await openAgain()
  expect(await detail()).toContain('The recording does not have its run.')
  expect(errors).toEqual([])
})

test('what is chosen has arrows to other threads', async (context) => {
  const errors: string[] = []
  const page = await openPage(context, errors, { width: 1400, height: 900 })
  /** How much is drawn in the colour of frames, names and arrows, with a slice chosen. */
  const inkOf = async (name: string, trace: MadeTrace): Promise<number> => {
    await show(page, name, toReport(trace))
    await page.evaluate(() => {
      location.hash = '#slice=3'
    })
    await shown(page)
    return await pixelsOf(page, 'ink')
  }
  const bare = await inkOf('no-flows', eventTrace(false))
  expect(await page.textContent('#detail')).not.toContain('other threads')
  const withFlows = await inkOf('flows', eventTrace())
  expect(await page.textContent('#detail')).toContain('1 way to other threads')
  expect(withFlows).toBeGreaterThan(bare + 10)
  expect(errors).toEqual([])
})

test('a task shows the size of its message, how long that was read, and how long the result was posted', async (context) => {
  const errors: string[] = []
  const page = await openPage(context, errors, { width: 1400, height: 900 })
  const trace = new MadeTrace()
  const process = trace.process(1)
  const [main, worker] = [0, 3].map((id) => trace.thread(process, id))
  const ms = (time: number): bigint => BigInt(time * MS)
  trace.begin(main, trace.event('task:begin'), 1n, 0n, { pool: 'pool', name: 'zip', file: '' })
  const dispatched = { id: 1n, pool: 'pool', threadId: 3, size: 3 * 2 ** 20 }
  trace.happened(main, trace.event('task:dispatched'), ms(10), dispatched)
  const run = { id: 1n, name: 'zip', onCpu: 0n, waitingForCpu: 0n, read: ms(5) }
  trace.span(worker, trace.event('task:run', {}, 'span'), ms(20), ms(40), run)
  trace.happened(worker, trace.event('task:replied'), ms(43), { id: 1n, serializeNs: ms(3) })
  trace.end(main, trace.event('task:end'), 1n, ms(50))
  await show(page, 'sizes', toReport(trace))
  await page.locator('#slowest a').click()
  const detail = (await page.textContent('#detail')) ?? ''
  for (const part of [
    '3.00 MiB sent',
    'in the queue 10.0 ms',
    'to the worker 5.00 ms',
    'its message read 5.00 ms',
    'run 20.0 ms',
    'result posted 3.00 ms',
    'result handled 7.00 ms',
  ])
    expect(detail).toContain(part)
  expect(errors).toEqual([])
})

test('on paper, of thousands of threads as many are there as a canvas can have, and the others are counted', async (context) => {
  const errors: string[] = []
  const page = await openPage(context, errors, { width: 1000, height: 800 })
  const trace = new MadeTrace()
  const process = trace.process(1)
  const work = trace.event('work', {}, 'span')
  for (let id = 0; id < 3000; id += 1) trace.span(trace.thread(process, id), work, 0n, 1000n)
  await show(page, 'paper', toReport(trace))
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')))
  const { height, text } = await page.evaluate(() => ({
    height: (document.querySelector('canvas') as HTMLCanvasElement).height,
    text: document.querySelector('#unprinted')?.textContent ?? '',
  }))
  expect(height).toBeLessThanOrEqual(32_767)
  const [, more] = /^([\d,]+) more rows are not on paper\.$/.exec(text) ?? []
  const left = Number(more?.replace(',', ''))
  expect(left > 1000 && left < 3000).toBe(true)
  // Down to its foot it is drawn.
  const drawn = await page.evaluate(() => {
    const canvas = document.querySelector('canvas') as HTMLCanvasElement
    const context2d = canvas.getContext('2d') as CanvasRenderingContext2D
    const { data } = context2d.getImageData(canvas.width / 2, canvas.height - 60, 1, 60)
    return new Set(data).size
  })
  expect(drawn).toBeGreaterThan(2)
  expect(errors).toEqual([])
})

const HOUR = 3600 * 1e9

describe('pages of odd traces are drawn without an error', () => {
  const odd: Readonly<Record<string, () => MadeTrace>> = {
    'nothing at all': () => new MadeTrace(),
    'one event': () => {
      const trace = new MadeTrace()
      return trace.happened(trace.thread(trace.process(1), 0), trace.event('hello'), 5n)
    },
    'a pool without figures of the kernel': () => {
      const made = new MadeRecording()
      made.batch([3, 4], 20, 10, { onCpu: 0 })
      return made.finished()
    },
    'names that could be HTML, right to left, or very long': () => {
      const trace = new MadeTrace()
      const process = trace.process(1, { program: '</script><!--' })
      const work = trace.event('user:span', { name: 'string' }, 'span')
      const names = [
        '</script><script>document.title = "taken"</script>',
        '<!--<script>',
        'עובד \u202e',
        'ע'.repeat(9000),
      ]
      for (const [id, name] of names.entries())
        trace.span(trace.thread(process, id, name), work, BigInt(id * 1000), BigInt(id * 1000 + 900), {
          name,
        })
      return trace
    },
    days: () => {
      const trace = new MadeTrace()
      const main = trace.thread(trace.process(1), 0)
      const work = trace.event('nightly', {}, 'span')
      for (let hour = 0; hour < 100; hour += 1)
        trace.span(main, work, BigInt(hour * HOUR), BigInt(hour * HOUR + HOUR / 2))
      return trace
    },
    'thousands of processes': () => {
      const trace = new MadeTrace()
      const work = trace.event('work', {}, 'span')
      for (let pid = 1; pid <= 2000; pid += 1)
        trace.span(trace.thread(trace.process(pid), 0), work, BigInt(pid), BigInt(pid + 1000))
      return trace
    },
    'spans longer than the recording, of no length, and before it': () => {
      const trace = new MadeTrace()
      const main = trace.thread(trace.process(1), 0)
      const work = trace.event('work', {}, 'span')
      trace.span(main, work, 0n, 0n)
      trace.span(main, work, 5n, 5n)
      trace.span(main, work, -5_000_000_000n, 10n, {}, 'cut')
      return trace
    },
  }

  test.for(Object.entries(odd))('%s', async ([name, made], context) => {
    const html = toReport(made())
    const errors: string[] = []
    const page = await openPage(context, errors, { width: 500, height: 600 })
    await show(page, name.replaceAll(/\W+/g, '-'), html)
    for (const key of ['j', 'n', 'j', 'k', 'p', 'w', 'w', 'd', 's', 'f', 'Escape', 'f']) {
      await page.keyboard.press(key)
      const { from, to } = await shown(page)
      expect(Number.isFinite(from) && to > from, `${key}: ${from} to ${to}`).toBe(true)
    }
    await page.fill('#search', '<')
    await page.press('#search', 'Enter')
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')))
    expect(await page.title()).toMatch(/ – rchan$/)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(500)
    expect(errors).toEqual([])
  })
})

test('says what was lost and where a loop stood still, under the pointer; a search finds threads', async (context) => {
  const errors: string[] = []
  const page = await openPage(context, errors, { width: 1400, height: 900 })
  await show(page, 'trouble', toReport(poolRecording(3, 60)))
  const stall = await placeOf(page, 'stall')
  await page.mouse.move(stall.x + 2, stall.y - 4)
  await page.waitForSelector('#tooltip:not([hidden])')
  expect(await page.textContent('#tooltip')).toBe('event loop stood still for 80.0 ms')
  // The chart of the pool is the first row.
  const box = (await page.locator('#timeline').boundingBox()) as { x: number; y: number }
  await page.mouse.move(box.x + 600, box.y + 70)
  expect(await page.textContent('#tooltip')).toMatch(/^queued [\d.]+ · running [\d.]+$/)
  await page.fill('#search', 'main')
  expect(await page.textContent('#matches')).toBe('0 spans, 1 thread')
  await page.press('#search', 'Enter')
  expect(await page.textContent('#detail')).toContain('main')
  await page.fill('#search', '')
  await page.locator('#timeline').focus()
  await page.keyboard.press('n')
  await page.keyboard.press('Escape')
  expect(await hashOf(page)).toBe('')
  expect(errors).toEqual([])
})

test('without JavaScript the tables are there, and the page says what is not', async (context) => {
  const errors: string[] = []
  const page = await openPage(context, errors)
  const bare = await page.context().browser()!.newPage({ javaScriptEnabled: false })
  const file = join(folder, 'bare.html')
  writeFileSync(file, toReport(poolRecording(3, 60)))
  await bare.goto(pathToFileURL(file).href)
  expect(await bare.textContent('#detail')).toContain('The timeline needs JavaScript')
  expect(await bare.locator('#frame').isVisible()).toBe(false)
  expect(await bare.locator('#slowest tbody tr').count()).toBeGreaterThan(5)
})

test('60 threads: the canvas stays as high as the window, and rows below are reached', async (context) => {
  const errors: string[] = []
  const page = await openPage(context, errors, { width: 1400, height: 900 })
  await show(page, 'many', toReport(poolRecording(60, 240)))
  const height = await page.locator('#timeline').evaluate((canvas) => canvas.clientHeight)
  expect(height).toBeLessThanOrEqual(900)
  expect(await page.locator('#frame').evaluate((frame) => frame.clientHeight)).toBeGreaterThan(1800)
  await page.locator('#threads tbody a').last().click()
  await shown(page)
  expect(await page.textContent('#detail')).toContain('worker')
  expect(await page.evaluate(() => scrollY)).toBeGreaterThan(0)
  expect(await pixelsOf(page, 'c0')).toBeGreaterThan(10)
  expect(errors).toEqual([])
})

test('of a task from the table its submitter and its worker are both in sight', async (context) => {
  const errors: string[] = []
  const page = await openPage(context, errors, { width: 1400, height: 700 })
  await show(page, 'both', toReport(poolRecording(3, 60)))
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
  await page.locator('#slowest tbody a').last().click()
  await shown(page)
  const { top, bottom, room } = await page.evaluate(() => {
    const [frame, detail] = ['#frame', '#detail'].map((id) =>
      (document.querySelector(id) as HTMLElement).getBoundingClientRect(),
    )
    return { top: frame.top, bottom: frame.bottom, room: detail.top }
  })
  // The row of the main thread comes after the axis and the chart of the pool.
  expect(top + 48 + 44).toBeGreaterThanOrEqual(48)
  expect(bottom).toBeLessThanOrEqual(room + 60)
  expect(errors).toEqual([])
})

test('a narrow window has all of it, and does not scroll sideways', async (context) => {
  const errors: string[] = []
  const page = await openPage(context, errors, { width: 360, height: 700 })
  await show(page, 'narrow', toReport(poolRecording(3, 60)))
  const wide = await page.evaluate(() => document.documentElement.scrollWidth)
  expect(wide).toBeLessThanOrEqual(360)
  expect(await pixelsOf(page, 'c0')).toBeGreaterThan(10)
  // What is said of a part that was marked leaves something of the timeline to be seen.
  const { top: before } = await page.locator('#timeline').evaluate((canvas) => canvas.getBoundingClientRect())
  await page.evaluate((by) => scrollBy(0, by), before - 560)
  const box = (await page.locator('#timeline').boundingBox()) as { x: number; y: number }
  await page.mouse.move(box.x + 150, box.y + 36)
  await page.mouse.down()
  await page.mouse.move(box.x + 250, box.y + 36, { steps: 4 })
  await page.mouse.up()
  await shown(page)
  const seen = await page.evaluate(() => {
    const [canvas, detail] = ['#timeline', '#detail'].map(
      (id) => (document.querySelector(id) as HTMLElement).getBoundingClientRect().top,
    )
    return detail - canvas
  })
  expect(seen).toBeGreaterThan(100)
  expect(errors).toEqual([])
})

test('a million spans: the page is below 10 MB, and each frame takes what a small one does', async (context) => {
  const trace = new MadeTrace()
  const process = trace.process(1)
  const threads = [0, 1, 2, 3].map((id) => trace.thread(process, id))
  const classes = ['parse', 'render', 'write'].map((name) => trace.event(name, {}, 'span'))
  let seed = 1
  for (let index = 0; index < 250_000; index += 1) {
    for (const thread of threads) {
      seed = (seed * 16_807) % 2_147_483_647
      const start = BigInt(index * 40_000 + (seed % 9000))
      trace.span(thread, classes[seed % 3], start, start + BigInt(seed % 30_011))
    }
  }
  const html = toReport(trace)
  const errors: string[] = []
  const page = await openPage(context, errors, { width: 1400, height: 900 })
  const firstPaint = await show(page, 'million', html)
  const { size } = statSync(join(folder, 'million.html'))
  expect(size).toBeLessThanOrEqual(10_000_000)
  const frames = await page.evaluate(async () => {
    const took: number[] = []
    const frame = (): Promise<void> => new Promise((drawn) => requestAnimationFrame(() => drawn()))
    for (let count = 0; count < 30; count += 1) {
      document.dispatchEvent(
        new KeyboardEvent('keydown', { key: count % 2 === 0 ? 'w' : 'd', bubbles: true }),
      )
      const start = performance.now()
      await frame()
      await new Promise((turn) => setTimeout(turn))
      took.push(performance.now() - start)
    }
    return took.sort((a, b) => a - b)
  })
  // Printed, and not held to a limit: the machine may be busy.
  console.log(
    `1,000,000 spans: ${(size / 1e6).toFixed(1)} MB, first paint after ${firstPaint.toFixed(0)} ms, a frame ${frames[15].toFixed(1)} ms (median), ${frames[29].toFixed(1)} ms (longest)`,
  )
  // All of them are on it, or it says which are not.
  const { slices, leftOut } = dataOf(html)
  expect(slices.start.length + leftOut.count).toBe(1_000_000)
  expect(await page.locator('#left-out').count()).toBe(leftOut.count > 0 ? 1 : 0)
  expect(errors).toEqual([])
})
