/** The probe `messages`: programs whose threads talk by ports, and know nothing of rchan. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { analyse } from '@rchan/analysis'
import { findTraces, openTrace, type TraceItem } from '@rchan/ctf/reader'
import { expect, test } from 'vitest'
import { freshFolder, runCommand } from './scenario.ts'

type Recorded = Extract<TraceItem, { event: unknown }>

const COMMAND = fileURLToPath(new URL('../dist/bin/rchan.cjs', import.meta.url))
const AUTO = fileURLToPath(new URL('../dist/cjs/auto.js', import.meta.url))

function program(name: string): string {
  return fileURLToPath(new URL(`./record/${name}`, import.meta.url))
}

/** Records a program, which must do what it does alone. @returns the records of its trace. */
async function recordMessages(file: string, ...args: string[]): Promise<Recorded[]> {
  const dir = join(freshFolder(), 'recording')
  const command = [process.execPath, program(file), ...args]
  const alone = await runCommand(command[0], command.slice(1))
  const recorded = await runCommand(process.execPath, [COMMAND, 'record', '--dir', dir, '--', ...command])
  expect(recorded).toMatchObject({ status: 0, stdout: alone.stdout })
  const [folder] = findTraces(dir)
  const records = [...openTrace(folder).items()].filter((item): item is Recorded => 'event' in item)
  expect(records.filter(({ event }) => event.name === 'probe:off')).toEqual([])
  return records
}

function named(records: readonly Recorded[], name: string): Recorded[] {
  return records.filter(({ event }) => event.name === name)
}

function keyOf({ fields }: Recorded): string {
  return `${String(fields.channel)} ${String(fields.side)} ${String(fields.seq)}`
}

/**
 * The messages that were posted, with their receipts. Each has its own.
 *
 * @param cut how many posts may be missing: of workers that were ended before they told of them.
 */
function pairsIn(records: readonly Recorded[], cut = 0): [post: Recorded, receipt: Recorded][] {
  const posts = new Map<string, Recorded>()
  for (const post of named(records, 'message:post')) {
    if (post.type === 'span' && post.outcome === 'failed') continue
    expect(posts.has(keyOf(post))).toBe(false)
    posts.set(keyOf(post), post)
  }
  const receipts = [...named(records, 'message:handle'), ...named(records, 'message:taken')]
  expect(new Set(receipts.map(keyOf)).size).toBe(receipts.length)
  const pairs = receipts.map((receipt) => [posts.get(keyOf(receipt)), receipt] as const)
  const missing = pairs.filter(([post]) => post === undefined).map(([, receipt]) => keyOf(receipt))
  if (missing.length > cut) throw new Error(`nobody posted ${missing.join(', ')}`)
  return pairs.filter((pair): pair is [Recorded, Recorded] => pair[0] !== undefined)
}

function startOf(item: Recorded): bigint {
  return item.type === 'span' ? item.start : item.time
}

test('each message is paired with its receipt, wherever its port went', async () => {
  const records = await recordMessages('messages.mjs')
  // 2 ready; 2 relays, an early and a relayed one, the answer; 1 echo port, 5 there, 5 back; 1
  // taken; 1 by workerData and back; 2 ends. The one to all channels of a name is not seen.
  const pairs = pairsIn(records)
  expect(pairs).toHaveLength(2 + 5 + 11 + 1 + 2 + 2)
  const posts = named(records, 'message:post')
  expect(posts.filter((post) => post.type === 'span' && post.outcome === 'failed')).toHaveLength(1)
  expect(posts).toHaveLength(pairs.length + 1)
  for (const [post, receipt] of pairs) {
    expect(startOf(receipt) >= startOf(post)).toBe(true)
    if (receipt.event.name === 'message:taken') expect(receipt.thread).toBe(post.thread)
    else expect(receipt.thread).not.toBe(post.thread)
  }
  // From worker to worker: through a channel of which the main thread has no end any more.
  const direct = pairs.filter(([post, { thread }]) => post.thread.threadId * thread.threadId > 0)
  expect(direct).toHaveLength(1)
})

test('a flow leads from each post to its receipt', async () => {
  const records = await recordMessages('messages.mjs')
  const posts = new Map<bigint, Recorded[]>()
  for (const item of named(records, 'message')) {
    if (item.type !== 'flow') throw new Error('no flow')
    posts.set(item.id, [...(posts.get(item.id) ?? []), item])
  }
  expect(posts.size).toBe(pairsIn(records).length)
  for (const items of posts.values()) {
    const phases = items.map((item) => (item.type === 'flow' ? item.phase : ''))
    expect(phases.slice(-2)).toEqual(['start', 'end'])
  }
})

test.each(['comlink', 'threads', 'synckit'])('%s: calls are messages there and back', async (library) => {
  const records = await recordMessages('calls.mjs', library)
  // The worker is ended as soon as the answer to the last call is here.
  const pairs = pairsIn(records, 1)
  const channels = new Map<string, { there: number; back: number }>()
  for (const [{ thread, fields }] of pairs) {
    const key = String(fields.channel)
    const count = channels.get(key) ?? { there: 0, back: 0 }
    if (thread.threadId === 0) count.there += 1
    else count.back += 1
    channels.set(key, count)
  }
  const [busiest] = [...channels.values()].toSorted((a, b) => b.there + b.back - a.there - a.back)
  if (library === 'synckit') {
    // The calls go to the worker itself, the results come by another channel.
    const all = [...channels.values()]
    expect(Math.max(...all.map(({ there }) => there))).toBe(10)
    expect(Math.max(...all.map(({ back }) => back))).toBe(10)
  } else {
    expect(busiest.there).toBeGreaterThanOrEqual(10)
    expect(busiest.back).toBeGreaterThanOrEqual(10)
  }
  const { crews } = analyse({ items: () => records, wallClock: (time) => time })
  expect(crews).toMatchObject([
    { parent: { threadId: 0 }, workers: [{ thread: { threadId: expect.any(Number) } }] },
  ])
  const [{ there, back }] = crews
  for (const { messages, post, wait, handle } of [there, back]) {
    expect(messages).toBeGreaterThanOrEqual(10)
    expect(Math.min(post.count, wait.count)).toBeGreaterThanOrEqual(10)
    expect(library === 'synckit' || handle.count >= 10).toBe(true)
  }
})

test("messages to Node's own thread for module hooks are none of the program's", async () => {
  const records = await recordMessages('hooks.mjs')
  const pairs = pairsIn(records)
  expect(pairs.map(([{ thread }]) => thread.name).toSorted()).toEqual(['hooks.mjs', 'main'])
  expect(named(records, 'message:post')).toHaveLength(2)
  const started = named(records, 'worker:boot').map(({ thread }) => thread.name)
  expect(new Set(started)).toEqual(new Set(['hooks.mjs', 'module hooks']))
})

test('tasks of a pool are told as tasks, not as messages', async () => {
  const records = await recordMessages('pool.cjs', 'piscina')
  expect(named(records, 'task:run')).toHaveLength(20)
  // What is left: piscina's own start of its workers, and the messages of the program.
  expect(named(records, 'message:handle').length).toBeLessThan(10)
  pairsIn(records)
})

test('ports of the global MessageChannel are the program’s, too', async () => {
  const dir = join(freshFolder(), 'recording')
  const code = `
    const { port1, port2 } = new globalThis.MessageChannel()
    port2.once('message', () => port1.close())
    port1.postMessage(1)`
  await runCommand(process.execPath, [COMMAND, 'record', '--dir', dir, '--', process.execPath, '-e', code])
  const items = [...openTrace(findTraces(dir)[0]).items()]
  expect(pairsIn(items.filter((item): item is Recorded => 'event' in item))).toHaveLength(1)
})

test('nothing is compiled for the first message while it is posted or handled', async () => {
  const folder = freshFolder()
  const preloads = [program('compile-times.cjs'), AUTO].flatMap((file) => ['--require', file])
  const { status, stdout } = await runCommand(process.execPath, [...preloads, program('first-message.mjs')], {
    RCHAN_DIR: folder,
  })
  expect(status).toBe(0)
  const compiled = stdout.trim().split(' ').map(BigInt)
  expect(compiled.length).toBeGreaterThan(4)
  const records = [...openTrace(findTraces(folder)[0]).items()].filter((item) => item.type === 'span')
  for (const name of ['message:post', 'message:handle']) {
    const spans = records.filter(({ event }) => event.name === name)
    expect(spans).toHaveLength(1)
    expect(compiled.filter((time) => time >= spans[0].start && time <= spans[0].end)).toEqual([])
  }
})
