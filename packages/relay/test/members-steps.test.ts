/**
 * Threads of a relay that join, stepped: one joins before any access of another one that looks at
 * the dead, and one that joins dies before any access of its own.
 *
 * Forbidden: a record of a dead thread's that is not read, or whose buffer or CPU is not had,
 * because somebody joined just then; an entry, a CPU or memory that is lost with its thread.
 */
import { RelayFile, type Relay } from '@rchan/relay'
import { MAX_MEMBERS } from '@rchan/relay/internal'
import { describe, expect, test } from 'vitest'
import { bufferIn, FakeThreads } from './fake-threads.js'
import { interrupt } from '../../../test/stepping/interrupted.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)

/** Room for one buffer of the channel that {@link dead} leaves. */
const MEMORY_BYTES = 4 * 4096
const GEOMETRY = { subbufSize: 8, subbufCount: 4 }

/** A thread that was a CPU, wrote, and has died; nobody has looked at it yet. */
function dead() {
  const threads = new FakeThreads({ possibleCpus: 1, memoryBytes: MEMORY_BYTES })
  const channel = threads.fileThread.open(GEOMETRY)
  const owner = threads.attach()
  const other = threads.attach().relay
  const cpu = owner.relay.comeOnline()
  for (const record of ['aaaa', 'bb', 'cccccc', 'dd'])
    bufferIn(owner.relay, channel.id, cpu).write(bytes(record))
  owner.die()
  return { threads, channel, cpu, other }
}

type Dead = ReturnType<typeof dead>

/** What another thread may do then, and must get done whoever joins meanwhile. */
const DEEDS: Record<string, (found: Dead) => void> = {
  'reads to the end what it wrote': ({ channel, cpu, other }) => {
    expect(text(new RelayFile(bufferIn(other, channel.id, cpu)).readBytes(100))).toBe('aaaabbccccccdd')
  },
  'writes on behind it': ({ channel, cpu, other }) => {
    const buffer = bufferIn(other, channel.id, cpu)
    expect(buffer.write(bytes('eeee'))).toBe(true)
    expect(text(new RelayFile(buffer).readBytes(100))).toBe('aaaabbccccccddeeee')
  },
  'switches its sub-buffer': ({ channel, cpu, other }) => {
    const buffer = bufferIn(other, channel.id, cpu)
    expect(buffer.switch(1)).toBe(1)
    expect(buffer.produced).toBe(2)
  },
  'resets its buffer': ({ channel, cpu, other }) => {
    expect(bufferIn(other, channel.id, cpu).reset()).toBe(true)
  },
  'comes online as its CPU': ({ cpu, other }) => {
    expect(other.onlineCpus).toEqual([])
    expect(other.comeOnline(cpu)).toBe(cpu)
  },
  'closes its channel, and has the memory for another one': ({ channel, other }) => {
    other.comeOnline()
    other.channel(channel.id)?.close()
    expect(other.open(GEOMETRY).buffer(0)?.produced).toBe(0)
  },
}

describe('of a thread that died, another one', () => {
  test.each(Object.entries(DEEDS))('%s, whenever a third one takes its entry', (_, deed) => {
    /** @returns how many accesses there were. */
    const play = (joinsAt: number): number => {
      const found = dead()
      const before = (step: number): void => {
        if (step === joinsAt) found.threads.attach()
      }
      return interrupt({ before }, () => deed(found)).steps
    }
    const steps = play(-1)
    expect(steps).toBeGreaterThan(5)
    for (let joinsAt = 0; joinsAt < steps; joinsAt += 1) play(joinsAt)
  })

  test.each(Object.entries(DEEDS))('%s, at any moment of a join that takes its entry', (_, deed) => {
    const play = (doneAt: number): number => {
      const found = dead()
      const before = (step: number): void => {
        if (step === doneAt) deed(found)
      }
      return interrupt({ before }, () => void found.threads.attach()).steps
    }
    const steps = play(-1)
    for (let doneAt = 0; doneAt < steps; doneAt += 1) play(doneAt)
  })
})

test('a thread that dies at any moment while it joins takes no entry with it, and is nobody', () => {
  const play = (deathAt: number): number => {
    const { threads, channel, cpu, other } = dead()
    const machine = threads.machine()
    const { steps, died } = interrupt({ deathAt }, () => void threads.attach(machine))
    expect(died).toBe(deathAt >= 0)
    threads.dead.add(machine.identity)
    DEEDS['writes on behind it']({ threads, channel, cpu, other })
    // The file thread and the other one have two.
    const joined: Relay[] = Array.from({ length: MAX_MEMBERS - 2 }, () => threads.attach().relay)
    expect(() => threads.attach()).toThrow('all of them live')
    expect(joined.at(-1)?.onlineCpus).toEqual([])
    return steps
  }
  const steps = play(-1)
  for (let deathAt = 0; deathAt < steps; deathAt += 1) play(deathAt)
})
