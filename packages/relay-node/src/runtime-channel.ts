/**
 * A channel of a runtime, as the CPU of the calling thread writes it.
 */
import type { Relay, RelayBuffer, RelayChannel } from '@rchan/relay'
import type { CpuTable, Tenure } from './cpu-table.js'
import { setUpFiles, type LateFilesOptions } from './late-files.js'
import type { ConsumerThread } from './sink-consumer.js'
import { consume, type ConsumeOptions, type SubbufStream } from './subbuf-stream.js'

/** The CPU of a thread. */
export interface Place extends Tenure {
  readonly cpu: number
}

/**
 * A channel of a runtime, seen from one thread.
 *
 * @example
 * const channel = joinRuntime().channel('samples')
 * if (!channel.write(bytes)) dropped += 1 // also counted: channel.discarded()
 */
export class RuntimeChannel {
  readonly name: string
  /** The relay channel behind it, with everything that relay has. */
  readonly relayChannel: RelayChannel
  readonly #relay: Relay
  readonly #table: CpuTable
  readonly #place: Place
  #files: ConsumerThread | undefined
  readonly #streams = new Set<SubbufStream>()
  /** This thread's buffer, once it has written. */
  #buffer: RelayBuffer | undefined

  /** @internal */
  constructor(name: string, relay: Relay, relayChannel: RelayChannel, table: CpuTable, place: Place) {
    this.#relay = relay
    this.name = name
    this.relayChannel = relayChannel
    this.#table = table
    this.#place = place
  }

  /** Its number in the relay. */
  get id(): number {
    return this.relayChannel.id
  }

  /** Whether it was not closed yet. */
  get isOpen(): boolean {
    return this.relayChannel.isOpen
  }

  /**
   * Writes one record into the buffer of this thread's CPU; of a global channel, into the one
   * buffer, with that locked meanwhile.
   *
   * @returns whether it was written. If not, it is counted as discarded.
   * @throws Error when the thread has left the runtime, or the channel has a module that was not
   * loaded (`relayChannel.load()`).
   */
  write(bytes: Uint8Array): boolean {
    return (this.#buffer ?? this.#begin()).write(bytes)
  }

  /**
   * Reserves room for a record of `length` bytes, which counts from now on.
   *
   * @returns where to store it, in bytes from the start of the buffer's data (`buffer.pages`);
   * undefined if it is dropped, and counted.
   * @throws as {@link write}; and Error in a global channel, where the next record may be another
   * thread's.
   */
  reserve(length: number): number | undefined {
    return (this.#buffer ?? this.#begin()).reserve(length)
  }

  /** Completes the open sub-buffer of this thread, so that consumers have its records now. */
  flush(): void {
    const buffer = this.#buffer
    if (buffer !== undefined && hasRecords(buffer)) buffer.switch(0)
  }

  /** The buffer of this thread's CPU. */
  get buffer(): RelayBuffer | undefined {
    return this.relayChannel.buffer(this.#place.cpu)
  }

  /** Records of a CPU's buffer that were refused so far, by cause. Any CPU. */
  discarded(cpu: number = this.#place.cpu): { full: number; tooBig: number; bad: number } {
    const discarded = this.relayChannel.buffer(cpu)?.memory.discarded()
    return { full: 0, tooBig: 0, bad: 0, ...discarded }
  }

  /**
   * Which thread wrote a sub-buffer. A sub-buffer has records of one thread only, but for those of
   * a global channel.
   *
   * @param sequence of the sub-buffer, counted since the last reset.
   * @returns undefined if nobody has written it through a runtime, if too many threads have had the
   * CPU since (128), and in a global channel.
   */
  tenureOf(cpu: number, sequence: number): Tenure | undefined {
    const buffer = this.relayChannel.buffer(cpu)
    if (buffer === undefined) return undefined
    return this.#table.tenureOf(this.id, cpu, sequence, buffer.resets)
  }

  /**
   * Iterates over what is written to this channel; see {@link consume}. {@link tenureOf} tells
   * which thread wrote a sub-buffer. It ends when the channel is closed and all is delivered, and
   * when the runtime stops.
   *
   * @example
   * for await (const { cpu, bytes } of channel.consume({ cpu: 1 })) console.log(cpu, bytes.length)
   */
  consume(options: ConsumeOptions = {}): SubbufStream {
    for (const stream of this.#streams) if (stream.isOver) this.#streams.delete(stream)
    const stream = consume(this.relayChannel, options)
    this.#streams.add(stream)
    return stream
  }

  /**
   * Gives the channel its files, one for each CPU. They get what was written before and was not
   * consumed, and what is written from now on. No writer takes part.
   *
   * @returns (the promise) the thread that writes them, when they hold what was written before.
   * @throws (the promise) Error with `code` 'exists' or 'invalid', or when a file can't be made.
   * Then nothing is left of the set-up.
   */
  async setUpFiles(options: LateFilesOptions): Promise<ConsumerThread> {
    this.#files = await setUpFiles(this.#relay, this.relayChannel, options)
    return this.#files
  }

  /** Closes the channel. Consumers still get what it holds. @throws Error when it is closed. */
  close(): void {
    this.relayChannel.close()
  }

  /**
   * Ends the consumers of this object: its files get everything that was written, its iterators
   * end.
   *
   * @internal
   */
  async endConsumers(): Promise<void> {
    // An error was told to its `onError`.
    await this.#files?.stop().catch(() => undefined)
    for (const stream of this.#streams) await stream.return()
  }

  /**
   * This thread's first record. What its predecessor left open is completed before, so that no
   * sub-buffer has records of two threads.
   */
  #begin(): RelayBuffer {
    const { cpu } = this.#place
    const buffer = this.relayChannel.buffer(cpu)
    if (buffer === undefined)
      throw new RangeError(
        `cpu=${cpu} has no buffer in the channel ${this.name}: it is closed, or the thread has left`,
      )
    // A channel that was closed has no owner any more, and counts the record.
    if (!buffer.becomeOwner()) return buffer
    if (!this.relayChannel.isGlobal) {
      if (hasRecords(buffer)) buffer.switch(0)
      // If the next sub-buffer is not free yet, none is open: then the next one is ours, too.
      const first = buffer.produced
      this.#table.beginTenure(this.id, cpu, first, buffer.resets, this.#place)
    }
    this.#buffer = buffer
    return buffer
  }
}

/** Whether the open sub-buffer of a buffer has records. */
export function hasRecords(buffer: RelayBuffer): boolean {
  return buffer.isOpen && buffer.offset > buffer.memory.geometry.headerBytes
}
