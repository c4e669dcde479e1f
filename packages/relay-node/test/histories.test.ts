/**
 * The smallest histories that showed a defect in a relay of several threads, and other behaviour
 * that only shows between threads. One thread plays most of them, see relay's fake-threads.ts.
 */
import { Channel, Reader, Writer } from '@rchan/ring'
import { plainMachine, Relay, RelayFile, type RelayChannel } from '@rchan/relay'
import { HEAD, RELAY, SLOT } from '@rchan/relay/internal'
import { threadMachine } from '@rchan/relay-node'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { setTimeout } from 'node:timers/promises'
import { bufferIn, FakeThreads } from '../../relay/test/fake-threads.js'
import { RelayThread, sleep, until } from './relay-thread.js'

afterEach(() => RelayThread.terminateAll())

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)

function channelIn(relay: Relay, id: number): RelayChannel {
  const channel = relay.channel(id)
  if (channel === undefined) throw new Error(`no channel ${id}`)
  return channel
}

/** A channel of 4 sub-buffers of 8 bytes, which another thread writes. */
function makeWritten(options: object = {}) {
  const threads = new FakeThreads()
  const channel = threads.fileThread.open({ subbufSize: 8, subbufCount: 4, ...options })
  const owner = threads.attach()
  const cpu = owner.relay.comeOnline()
  const written = channelIn(owner.relay, channel.id)
  const write = (...records: string[]): boolean[] =>
    records.map((record) => written.write(cpu, bytes(record)))
  return { threads, channel, owner, cpu, write, buffer: bufferIn(threads.fileThread, channel.id, cpu) }
}

describe('reading what another thread writes:', () => {
  //   sub-buffer   0       1       2       3        all full; the next record was refused, so none is open.
  //             [aa bb] [cc dd] [ee ff] [gg hh]     Where sub-buffer 4 would be, 0 stands, unread.
  test('a full buffer is read from its oldest sub-buffer on', () => {
    const { buffer, write } = makeWritten()
    write('aaaa', 'bbbb', 'cccc', 'dddd', 'eeee', 'ffff', 'gggg', 'hhhh')
    expect(write('iiii')).toEqual([false])
    expect(text(new RelayFile(buffer).readBytes(100))).toBe('aaaabbbbccccddddeeeeffffgggghhhh')
    expect(write('jjjj')).toEqual([true])
  })

  //   [aaaa bb··]   is consumed, and begun anew by its writer before the reader has looked at its padding
  test('what was consumed may be begun anew at once', () => {
    const { buffer, write } = makeWritten({ subbufCount: 2 })
    write('aaaaaa', 'bbbbbbb', 'cccccc')
    const file = new RelayFile(buffer)
    const consumedTo = buffer.consumedTo.bind(buffer)
    buffer.consumedTo = function (consumed) {
      consumedTo(consumed)
      write('dddd')
    }
    let got = ''
    for (let turn = 0; turn < 4; turn += 1) got += text(file.readBytes(100))
    expect(got.replace(/d/g, '')).toBe('aaaaaabbbbbbb')
  })

  //   [aaaa bb··]   open, its owner dead. A reader that takes it for alive reads what has aged:
  //                 nothing, and it looks like the end.
  test('what a dead thread wrote is read to its end, though another one takes its entry during the look', () => {
    const { threads, buffer, owner, write } = makeWritten()
    write('aaaa', 'bb')
    const file = new RelayFile(buffer)
    owner.die()
    threads.duringLookAt(owner, () => threads.attach())
    expect(text(file.readBytes(100))).toBe('aaaabb')
  })

  test('a thread that was found dead stays so, also when no look can prove it any more', () => {
    const { threads, buffer, owner, write } = makeWritten()
    write('aaaa', 'bb')
    owner.die()
    const file = new RelayFile(buffer)
    expect(buffer.isSettled).toBe(true)
    // No file descriptor is left, say.
    threads.dead.clear()
    expect(buffer.isSettled).toBe(true)
    expect(text(file.readBytes(100))).toBe('aaaabb')
    expect(buffer.write(bytes('cc'))).toBe(true)
  })

  //   [aaaaaa··] [bbbbbbb·] [cccc     a sub-buffer is declared consumed: two words, and the thread dies between them
  test('a thread that dies while it consumes what it reads makes the next one miss nothing', () => {
    const all = 'aaaaaabbbbbbbcccc'
    const play = (deathAt: number): number => {
      const { threads, channel, cpu, write } = makeWritten()
      write('aaaaaa', 'bbbbbbb', 'cccc')
      const victim = threads.attach()
      const mine = bufferIn(victim.relay, channel.id, cpu)
      let step = 0
      for (const name of ['consumedTo', 'bytesConsumedTo'] as const) {
        const store = mine[name].bind(mine)
        mine[name] = (value) => {
          if (step === deathAt) throw new Error('dead')
          step += 1
          store(value)
        }
      }
      let had = ''
      const dies = (): number => new RelayFile(mine).read(100, (part) => (had += text(part.slice())) !== '')
      if (deathAt < 0) dies()
      else expect(dies).toThrow('dead')
      victim.die()
      const file = new RelayFile(bufferIn(threads.fileThread, channel.id, cpu))
      threads.clockMs += 20
      const rest = text(file.readBytes(100))
      // The rest may repeat bytes that the dead thread had, but it skips none.
      expect(all.endsWith(rest)).toBe(true)
      expect(had.length + rest.length).toBeGreaterThanOrEqual(all.length)
      return step
    }
    const steps = play(-1)
    for (let deathAt = 0; deathAt < steps; deathAt += 1) play(deathAt)
  })

  test('nobody owns the buffer when a read begins, and somebody overwrites it meanwhile: no byte changes', () => {
    const { buffer, owner, write } = makeWritten({ subbufCount: 2, mode: 'overwrite' })
    write('aaaa', 'aaaa', 'aaaa')
    owner.relay.goOffline()
    const parts: string[] = []
    new RelayFile(buffer).read(100, (part) => {
      write('bbbb', 'bbbb', 'bbbb', 'bbbb', 'bbbb')
      parts.push(text(part.slice()))
      return true
    })
    expect(parts[0]).toBe('aaaaaaaa')
    expect(parts.filter((part) => /ab|ba/.test(part))).toEqual([])
  })
})

describe('waiting for a sub-buffer:', () => {
  test('who polled before anybody wrote is woken by another thread', async () => {
    const { buffer, write } = makeWritten()
    const file = new RelayFile(buffer)
    let woken = 0
    expect(file.poll(() => (woken += 1))).toBe('nothing')
    write('aaaa', 'aaaa', 'aaaa', 'aaaa', 'aaaa')
    await until('woken', () => woken > 0)
    await setTimeout(5)
    expect(woken).toBe(1)
  })

  test('who polled while it owned the buffer itself is woken by the next owner', async () => {
    const { threads, channel, write, cpu } = makeWritten()
    const mine = bufferIn(threads.fileThread, channel.id, cpu)
    mine.write(bytes('x'))
    let woken = 0
    const file = new RelayFile(mine)
    file.poll(() => (woken += 1))
    threads.fileThread.goOffline()
    write('aaaaaaaa', 'bbbb')
    await until('woken', () => woken > 0)
    file.release()
  })

  test('a file that was released counts no sleeper any more, in memory that may be another buffer’s', async () => {
    const { buffer, write } = makeWritten()
    write('aaaa')
    const file = new RelayFile(buffer)
    file.poll(() => expect.unreachable())
    file.release()
    const { wakeups } = buffer
    write('aaaa', 'aaaa', 'aaaa')
    await setTimeout(5)
    expect(buffer.wakeups).toBe(wakeups)
  })

  test('who is woken by a flush in care of the buffer may write at once', () => {
    const { threads, channel } = makeWritten()
    const { fileThread } = threads
    const buffer = bufferIn(fileThread, channel.id, 0)
    new RelayFile(buffer).poll(() => expect(buffer.write(bytes('woken'))).toBe(true))
    channel.flush()
    expect(buffer.produced).toBe(1)
    expect(text(new RelayFile(buffer).readBytes(100))).toBe('woken')
  })
})

describe('memory that is used again:', () => {
  test('a handle of a buffer that was freed consumes nothing of the one that has its memory', () => {
    const { fileThread } = new FakeThreads()
    const channel = fileThread.open({ subbufSize: 8, subbufCount: 4 })
    fileThread.prepareCpu(0)
    const old = bufferIn(fileThread, channel.id, 0)
    channel.close()
    const next = fileThread.open({ subbufSize: 8, subbufCount: 4 })
    fileThread.prepareCpu(0)
    expect(bufferIn(fileThread, next.id, 0).page).toBe(old.page)
    for (let i = 0; i < 7; i += 1) next.write(0, bytes('abcd'))
    old.subbufsConsumed(2)
    expect(bufferIn(fileThread, next.id, 0).consumed).toBe(0)
  })

  test('a file that can not be opened any more holds nothing', () => {
    const { fileThread } = new FakeThreads()
    const channel = fileThread.open({ subbufSize: 8, subbufCount: 4 })
    fileThread.prepareCpu(0)
    fileThread.prepareCpu(1)
    const gone = bufferIn(fileThread, channel.id, 1)
    const file = new RelayFile(bufferIn(fileThread, channel.id, 0))
    channel.close()
    expect(() => new RelayFile(gone)).toThrow('the buffer of cpu=1 was freed')
    file.release()
    const holds = new Int32Array(fileThread.memory, RELAY.slots + SLOT.holds, 64)
    expect(holds.every((count) => count === 0)).toBe(true)
  })

  test('a thread that goes on writing new channels does not keep the ones that others closed', () => {
    const threads = new FakeThreads()
    const { relay } = threads.attach()
    const cpu = relay.comeOnline()
    for (let i = 0; i < 100; i += 1) {
      const channel = threads.fileThread.open({ subbufSize: 8, subbufCount: 2 })
      channelIn(relay, channel.id).write(cpu, bytes('x'))
      channel.close()
    }
  })

  test('a CPU finds the pages of channels that were closed', () => {
    const { fileThread } = new FakeThreads({ memoryBytes: 100 * 4096 })
    fileThread.open({ subbufSize: 4096, subbufCount: 60 })
    const second = fileThread.open({ subbufSize: 4096, subbufCount: 60 })
    expect(fileThread.prepareCpu(0)).toBe(false)
    second.close()
    expect(fileThread.prepareCpu(0)).toBe(true)
  })
})

describe('a thread that died with the lock', () => {
  function dieWithLock(threads: FakeThreads): void {
    const victim = threads.attach()
    // Members are numbered as they join.
    new Int32Array(threads.fileThread.memory)[RELAY.listLock >> 2] = 2
    victim.die()
  }

  test('makes nobody wait for a file thread that does not serve', () => {
    const threads = new FakeThreads()
    threads.stepMs = 1000
    dieWithLock(threads)
    expect(threads.attach().relay.open({ subbufSize: 8, subbufCount: 2 }).id).toBe(1)
    expect(threads.clockMs).toBeLessThan(10_000)
  })

  test('while its file was made leaves neither the file nor anything on the pages', async () => {
    const files = new Set<object>()
    const wrong: string[] = []
    const machine = threadMachine((level, message) => wrong.push(`${level}: ${message}`))
    const relay = new Relay(machine, { possibleCpus: 2, memoryBytes: 2 ** 20 })
    let victim: RelayThread | undefined
    const channel = relay.open({
      baseFilename: 'x',
      subbufSize: 64,
      subbufCount: 2,
      callbacks: {
        createBufFile: () => {
          const file = {}
          files.add(file)
          if (victim === undefined) return file
          void victim.worker.terminate()
          // To ask for its file is the last thing that it did. Where a death can't be proven, 100
          // ms are enough.
          const isDead = (): boolean => machine.isDead?.(victim?.count ?? 0, 0) === true
          for (let ms = 0; victim.count > 0 ? !isDead() : ms < 100; ms += 1) sleep(1)
          return file
        },
        removeBufFile: (file) => files.delete(file as object) || wrong.push('removed twice'),
      },
    })
    relay.serveFromEventLoop()
    victim = new RelayThread('comeOnline', { memory: relay.memory })
    await until('its file was made', () => files.size > 0)
    await victim.terminate()
    victim = undefined
    // Finds the lock of the dead one.
    const other = relay.open({ subbufSize: 8, subbufCount: 2 })
    expect(files.size).toBe(0)
    expect(new Int32Array(relay.memory, RELAY.buffers).every((word) => word === 0)).toBe(true)
    expect(relay.prepareCpu(0)).toBe(true)
    expect(files.size).toBe(1)
    expect(channel.write(0, bytes('fresh'))).toBe(true)
    other.close()
    channel.close()
    expect([files.size, wrong]).toEqual([0, []])
  })
})

test('a lock is waited for with patience also where the program has replaced the clock', () => {
  const threads = new FakeThreads()
  const channel = threads.fileThread.open({ subbufSize: 8, subbufCount: 2 })
  threads.fileThread.prepareCpu(0)
  const file = new RelayFile(bufferIn(threads.fileThread, channel.id, 0))
  const holder = threads.attach()
  const words = new Int32Array(threads.fileThread.memory)
  const fileLock = (bufferIn(threads.fileThread, channel.id, 0).page * 4096 + HEAD.fileLock) >> 2
  onTestFinished(() => void vi.useRealTimers())
  vi.useFakeTimers({ now: 0 })
  for (const [lock, run] of [
    [RELAY.listLock >> 2, () => threads.fileThread.open({ subbufSize: 8, subbufCount: 2 })],
    [fileLock, () => file.readBytes(8)],
  ] as const) {
    // Members are numbered as they join.
    words[lock] = 2
    let looks = 0
    threads.whileLooking = (identity) => {
      if (identity !== holder.identity) return
      looks += 1
      if (looks === 3) words[lock] = 0
    }
    run()
    expect(looks).toBe(3)
  }
})

describe('the file thread', () => {
  test('that lives and does not serve is waited for with patience only', () => {
    const threads = new FakeThreads()
    threads.stepMs = 1000
    const { relay } = threads.attach()
    relay.comeOnline()
    expect(() => relay.open({ baseFilename: 'x', subbufSize: 8, subbufCount: 2 })).toThrow(
      /did not answer within 10 s.* call serve\(\)/,
    )
    expect(relay.channels).toEqual([])
    threads.stepMs = 0
    threads.whileWaiting = () => void threads.fileThread.serve()
    relay.open({ baseFilename: 'y', subbufSize: 8, subbufCount: 2 })
    expect([...threads.files.keys()]).toEqual(['y0'])
  })

  test('is told in a file callback that it can not open a channel there, instead of waiting for the asker', () => {
    const errors: string[] = []
    const threads: FakeThreads = new FakeThreads({
      fileCallbacks: {
        createBufFile: (name) => {
          try {
            threads.fileThread.open({ subbufSize: 8, subbufCount: 2 })
          } catch (error) {
            errors.push(String(error))
          }
          return name
        },
      },
    })
    const { relay } = threads.attach()
    relay.comeOnline()
    threads.whileWaiting = () => void threads.fileThread.serve()
    relay.open({ baseFilename: 'x', subbufSize: 8, subbufCount: 2 })
    expect(errors).toEqual([expect.stringContaining('a file callback of a relay channel must not')])
  })

  test('is told of the mappings of channels that others have opened', () => {
    const mapped: unknown[] = []
    const threads = new FakeThreads({ fileCallbacks: { bufMapped: ({ cpu }) => mapped.push(cpu) } })
    const { relay } = threads.attach()
    const channel = relay.open({ subbufSize: 8, subbufCount: 2 })
    relay.prepareCpu(1)
    threads.whileWaiting = () => void threads.fileThread.serve()
    new RelayFile(bufferIn(relay, channel.id, 1)).mmap(channel.allocSize)
    expect(mapped).toEqual([1])
  })
})

test('a machine with more CPUs than are possible opens nothing', () => {
  const relay = new Relay(plainMachine(6), { possibleCpus: 4, memoryBytes: 2 ** 20 })
  expect(() => relay.open({ subbufSize: 8, subbufCount: 2 })).toThrow(
    'cpu=4 is not one of the 4 possible CPUs',
  )
  expect(relay.channels).toEqual([])
})

test('the module of a channel stays where others read it when the name changes', () => {
  const { fileThread } = new FakeThreads()
  const channel = fileThread.open({ subbufSize: 8, subbufCount: 2, module: 'file:///a.mjs' })
  channel.lateSetupFiles('a longer base name')
  expect(text(new Uint8Array(fileThread.memory, RELAY.slots + SLOT.texts, 13).slice())).toBe('file:///a.mjs')
})

//   before the reset   [aaaa aaaa] [aaaa      sub-buffers 0 and 1 have their labels
//   after it           [bbbb      ]           1 was refused once, and is being asked for again: it is not open yet
test('a sub-buffer of before a reset is not taken for the one that is being started', () => {
  const geometry = { subbufSize: 8, subbufCount: 4, mode: 'overwrite', headerBytes: 0 } as const
  const buffer = Channel.create({ ...geometry, possibleCpus: 1 }).buffer(0)
  const seen: unknown[] = []
  let reader: Reader | undefined
  let accepts = true
  const writer: Writer = new Writer(
    buffer,
    {
      accept: (sequence) => {
        if (!accepts) return -1
        if (reader !== undefined) {
          writer.take(sequence)
          seen.push(reader.newest())
        }
        return 0
      },
    },
    undefined,
    false,
  )
  writer.switch(0)
  for (let i = 0; i < 3; i += 1) writer.write(bytes('aaaa'))
  writer.reset()
  writer.write(bytes('bbbb'))
  accepts = false
  writer.switch(0)
  accepts = true
  reader = new Reader(buffer)
  for (let span = reader.next(); span !== undefined; span = reader.next())
    reader.delivered(span, span.records)
  writer.write(bytes('cccc'))
  expect(seen).toEqual([undefined])
})
