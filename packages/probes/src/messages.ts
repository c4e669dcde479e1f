/**
 * The probe `messages`: each message that one thread posts to another, and its handling there. The
 * nth message that was posted at one end of a channel is the nth that comes at the other, so both
 * ends count, and nothing is added to the messages.
 *
 * Tasks of piscina and tinypool are messages, too. `tasks` tells them, and both ends leave them out
 * here.
 */
import type { MessagePort } from 'node:worker_threads'
import { flow, span, tracepoint } from '@rchan/trace'
import { Channels } from './channels.js'
import { SORT } from './envelope.js'
import { PortPassage, type ChannelEnd } from './port-passage.js'
import { tapPorts, type PortTap } from './ports.js'
import type { Probe, ProbeContext } from './probe.js'
import { viewOfProcess } from './shared-memory.js'
import { late } from './late.js'

const KEY = 'rchan:ports'
/** Numbers of flows: the end that posted, and 31 bits of the message's number. */
const END_UNIT = 2 ** 31
const TASK_BIT = 2 ** 31

/** `side` is the end that posted it, 0 or 1; `seq` its number there, from 0. */
const fields = { channel: 'u32', side: 'u8', seq: 'u32' } as const
/** While it is serialized. */
const post = late(() => span('message:post', fields))
/** While its listeners run. What they await comes later. */
const handle = late(() => span('message:handle', fields))
/** The program has taken it by `receiveMessageOnPort`. */
const taken = late(() => tracepoint('message:taken', fields))
/** From its posting to its handling. */
const way = late(() => flow('message'))

type Token = ReturnType<ReturnType<typeof post>['begin']>

/** A message that is being posted or handled. */
interface Open {
  port: MessagePort
  end: ChannelEnd
  seq: number
  token: Token
}

/** The messages that are open now, the newest last. Each takes the object of an earlier one. */
class OpenMessages {
  readonly #all: Open[] = []
  #count = 0

  push(port: MessagePort, end: ChannelEnd, seq: number, token: Token): void {
    if (this.#count === this.#all.length) {
      this.#all.push({ port, end, seq, token })
    } else {
      const one = this.#all[this.#count]
      one.port = port
      one.end = end
      one.seq = seq
      one.token = token
    }
    this.#count += 1
  }

  /**
   * Takes the one that was begun last, if it is of this port. What is returned counts until the
   * next call.
   */
  pop(port: MessagePort): Open | undefined {
    if (this.#count === 0) return undefined
    const one = this.#all[this.#count - 1]
    if (one.port !== port) return undefined
    this.#count -= 1
    return one
  }
}

export const messages: Probe = {
  name: 'messages',
  description: 'messages between threads: posted, handled, by channel',
  byDefault: true,
  install(context) {
    const channels = new Channels(viewOfProcess(KEY, PortPassage), context)
    const close = tapPorts(tapOf(channels, context))
    return () => {
      close()
      channels.end()
    }
  },
}

function tapOf(channels: Channels, context: ProbeContext): PortTap {
  const posting = new OpenMessages()
  const handling = new OpenMessages()
  return {
    posting(port, message, sort, transferred) {
      try {
        if (sort !== SORT.other && transferred.length === 0) return
        const end = channels.endOf(port)
        if (end === undefined) return channels.sendingOnOther(message)
        if (sort !== SORT.other) return channels.sending(end, taskSeq(message), transferred)
        if (transferred.length > 0) channels.sending(end, end.posted, transferred)
        // Else the first message's span would have in it how long that takes.
        way().prepare()
        const token = post().begin()
        way().start(flowOf(end.channel, end.side, end.posted))
        posting.push(port, end, end.posted, token)
      } catch (error) {
        context.fail(error)
      }
    },
    posted(port, _message, sort) {
      const one = sort === SORT.other ? posting.pop(port) : undefined
      if (one === undefined) return
      // A getter in the message may have posted others before it.
      const { channel, side, posted } = one.end
      one.end.posted = next(posted)
      post().end(one.token, { channel, side, seq: posted })
    },
    notPosted(port, sort) {
      const one = sort === SORT.other ? posting.pop(port) : undefined
      if (one === undefined) return
      const { channel, side } = one.end
      post().fail(one.token, { channel, side, seq: one.seq })
    },
    receiving(port, message, sort, ports) {
      try {
        if (sort !== SORT.other) {
          if (!channels.arePortsOnTheirWay) return
          const end = channels.endOf(port)
          if (end !== undefined) channels.received(end, taskSeq(message), message, ports)
          return
        }
        const end = channels.endOf(port)
        if (end === undefined) return
        const seq = end.received
        end.received = next(seq)
        if (channels.arePortsOnTheirWay) channels.received(end, seq, message, ports)
        const { channel } = end
        const side = 1 - end.side
        if (ports === undefined) {
          taken()({ channel, side, seq })
          return way().end(flowOf(channel, side, seq))
        }
        way().prepare()
        const token = handle().begin()
        way().end(flowOf(channel, side, seq))
        handling.push(port, end, seq, token)
      } catch (error) {
        context.fail(error)
      }
    },
    handled(port, sort) {
      const one = sort === SORT.other ? handling.pop(port) : undefined
      if (one === undefined) return
      handle().end(one.token, { channel: one.end.channel, side: 1 - one.end.side, seq: one.seq })
    },
    unreadable(port) {
      const end = channels.endOf(port)
      if (end !== undefined) end.received = next(end.received)
    },
  }
}

function next(count: number): number {
  return (count + 1) >>> 0
}

/** The number by which a task's ports are found. No other message comes to it. */
function taskSeq(message: unknown): number {
  return ((message as { taskId: number }).taskId | TASK_BIT) >>> 0
}

function flowOf(channel: number, side: number, seq: number): number {
  return (channel * 2 + side) * END_UNIT + (seq % END_UNIT)
}
