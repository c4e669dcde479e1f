/** One read of a trace, for all that is made of it: what the commands do. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { analyse, modelText } from '@rchan/analysis'
import { openTrace, type Trace, type TraceItem } from '@rchan/ctf/reader'
import { FORMATS } from '@rchan/export'
import { toReport } from '@rchan/report'
import { expect, test } from 'vitest'
import { openFile, type Output } from '../dist/command/output.js'
import { Reading } from '../dist/command/reading.js'
import { freshFolder, run } from './scenario.ts'

/** How often the items of the trace are given: enough for several writes. */
const TIMES = 30

/** A trace whose reads and items are counted. */
class CountedTrace {
  reads = 0
  items = 0
  readonly trace: Trace

  constructor(trace: Trace) {
    const read = (options: Parameters<Trace['items']>[0]): IterableIterator<TraceItem> => {
      this.reads += 1
      this.items = 0
      return this.#read(trace, options)
    }
    this.trace = { ...trace, items: read }
  }

  *#read(trace: Trace, options: Parameters<Trace['items']>[0]): IterableIterator<TraceItem> {
    for (let time = 0; time < TIMES; time += 1) {
      for (const item of trace.items(options)) {
        this.items += 1
        yield item
      }
    }
  }
}

async function recorded(): Promise<CountedTrace> {
  const folder = freshFolder()
  expect((await run('command-trace.mjs', [`${folder}/trace`])).status).toBe(0)
  return new CountedTrace(openTrace(`${folder}/trace`))
}

/** Keeps what is written. */
class Kept implements Output {
  readonly path: string
  readonly pieces: Uint8Array[] = []
  end: 'finished' | 'discarded' | undefined

  constructor(path: string) {
    this.path = path
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.pieces.push(bytes)
    await Promise.resolve()
  }

  async finish(): Promise<void> {
    this.end = 'finished'
    await Promise.resolve()
  }

  async discard(): Promise<void> {
    this.end ??= 'discarded'
    await Promise.resolve()
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString()
  }
}

test('makes a model, a page and files, each as a read of its own does', async () => {
  const counted = await recorded()
  const { trace } = counted
  const reading = new Reading(trace, { title: 'all at once' })
  const outs = { html: new Kept('a'), again: new Kept('b'), csv: new Kept('c'), jsonl: new Kept('d') }
  const files = [
    await reading.makeFile('html', outs.html),
    await reading.makeFile('csv', outs.csv),
    await reading.makeFile('jsonl', outs.jsonl),
    await reading.makeFile('html', outs.again),
  ]
  await reading.read()
  const { items } = counted
  expect(items).toBeGreaterThan(300 * TIMES)
  expect(modelText(reading.model)).toBe(modelText(analyse(trace)))
  counted.reads = 0
  for (const file of files) {
    const said = await reading.finish(file)
    expect(said.startsWith(`${file.out.path}: ${items} items, `)).toBe(true)
  }
  expect(counted.reads).toBe(0)
  expect(outs.csv.pieces.length).toBeGreaterThan(2)
  expect(outs.csv.text).toBe([...FORMATS.csv.convert(trace)].join(''))
  expect(outs.jsonl.text).toBe([...FORMATS.jsonl.convert(trace)].join(''))
  expect(outs.html.text).toBe(toReport(trace, { title: 'all at once' }))
  expect(outs.again.text).toBe(outs.html.text)
  expect(Object.values(outs).map(({ end }) => end)).toEqual(Array(4).fill('finished'))
})

test('a file whose conversion can’t begin leaves nothing behind, and the others are made', async () => {
  const { trace } = await recorded()
  const reading = new Reading(trace)
  const folder = freshFolder()
  const open = (name: string): Promise<Output> => openFile(join(folder, name), false)
  // As one whose module can't be loaded.
  const noFormat = 'no such format' as 'csv'
  await expect(reading.makeFile(noFormat, await open('none'))).rejects.toThrow(TypeError)
  expect(readdirSync(folder)).toEqual([])
  const file = await reading.makeFile('csv', await open('all.csv'))
  await reading.read()
  await reading.finish(file)
  expect(readdirSync(folder)).toEqual(['all.csv'])
})

test('a picture reads once more, and its items are counted once', async () => {
  const counted = await recorded()
  const reading = new Reading(counted.trace)
  const [svg, csv] = [new Kept('a.svg'), new Kept('a.csv')]
  const files = [await reading.makeFile('svg', svg), await reading.makeFile('csv', csv)]
  await reading.read()
  expect(counted.reads).toBe(1)
  expect(await reading.finish(files[0])).toContain(`a.svg: ${counted.items} items`)
  expect(await reading.finish(files[1])).toContain(`a.csv: ${counted.items} items`)
  expect(counted.reads).toBe(2)
  expect(svg.text).toBe([...FORMATS.svg.convert(counted.trace)].join(''))
})

test('waits for a slow file: no item is read meanwhile', async () => {
  const counted = await recorded()
  const reading = new Reading(counted.trace)
  let release = (): void => undefined
  class Slow extends Kept {
    override async write(bytes: Uint8Array): Promise<void> {
      await new Promise<void>((resolve) => (release = resolve))
      await super.write(bytes)
    }
  }
  const [slow, other] = [new Slow('slow'), new Kept('other')]
  const [file] = [await reading.makeFile('jsonl', slow), await reading.makeFile('csv', other)]
  const state = { isOver: false }
  const over = reading.read().then(() => (state.isOver = true))
  const looks: number[] = []
  while (!state.isOver) {
    // All that could go on without the file does.
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    looks.push(counted.items)
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(counted.items).toBe(looks.at(-1))
    const before = slow.pieces.length
    release()
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(slow.pieces.length).toBeLessThanOrEqual(before + 1)
  }
  await over
  expect(looks.length).toBeGreaterThan(5)
  expect(looks[0]).toBeLessThan(counted.items / 5)
  const finished = reading.finish(file)
  await new Promise((resolve) => setImmediate(resolve))
  release()
  await finished
  expect(slow.text).toBe([...FORMATS.jsonl.convert(counted.trace)].join(''))
})

test('a file that fails takes no more; the others go on, and it says why at the end', async () => {
  const counted = await recorded()
  const reading = new Reading(counted.trace)
  class Full extends Kept {
    override async write(): Promise<void> {
      this.pieces.push(new Uint8Array())
      await Promise.reject(new Error('no space left'))
    }
  }
  const [full, other] = [new Full('full'), new Kept('other')]
  const [failing, file] = [await reading.makeFile('jsonl', full), await reading.makeFile('csv', other)]
  await reading.read()
  expect(full.pieces).toHaveLength(1)
  await expect(reading.finish(failing)).rejects.toThrow('no space left')
  expect(full.end).toBe('discarded')
  await reading.finish(file)
  expect(other.text).toBe([...FORMATS.csv.convert(counted.trace)].join(''))

  // Nobody else wants items.
  const alone = new Reading(counted.trace)
  const only = await alone.makeFile('jsonl', new Full('full'))
  await alone.read()
  const readItems = counted.items
  expect([...counted.trace.items()].length).toBeGreaterThan(readItems * 5)
  await expect(alone.finish(only)).rejects.toThrow('no space left')
})
