/**
 * Where the consumer puts what it delivers. The client chooses a sink as it chooses a format: both
 * run on the consumer thread, and the consumer knows no other way out. `file-sink.ts` is the sink
 * that writes a folder.
 *
 * What a sink has taken must be good at every moment: the process may be killed after any call.
 */

/**
 * A packet on its way to a sink: a header, then bytes as they stand. Valid until the stream makes
 * the next one.
 */
export interface Packet {
  /** Bytes of each header of the stream. */
  readonly headerBytes: number
  /** Bytes of header and pieces; a multiple of 8. */
  readonly bytes: number
  /** What follows the header. */
  readonly pieces: readonly Uint8Array[]
  /**
   * The header of this packet, when it takes `bytes` bytes of the file: as many as it has, or more.
   */
  header(bytes: number): Uint8Array
  /**
   * The header of an empty packet behind this one, which takes `bytes` bytes of the file. May use
   * the same memory.
   */
  following(bytes: number): Uint8Array
}

/** Where the packets of one stream go, in their order. */
export interface SinkStream {
  /** Bytes of the packets that it has taken. */
  readonly bytes: number
  /** Whether its last packet is one that the stream ended with. */
  readonly isEnded: boolean
  /**
   * Takes a packet. Its bytes are valid during the call only.
   *
   * @param events how many are in it.
   * @throws where it can't; then it holds what it held before, and the packet comes again.
   */
  append(packet: Packet, events: number): void
  /** Takes the packet that the stream ends with. It may go on after all. @throws as `append`. */
  end(packet: Packet): void
  /** Nothing comes any more. Looks whether all that it took can be read. Never throws. */
  close(): StreamEnd
}

/** What became of a stream. */
export interface StreamEnd {
  /** The first thing that is wrong with it. */
  readonly problem: string | undefined
  /** Events that were taken and can't be read any more. */
  readonly lostEvents: number
}

/** Where all that is delivered goes. */
export interface Sink {
  /** A new stream. Nothing of it is to be seen before its first packet. */
  stream(name: string): SinkStream
  /**
   * Puts a text beside the streams, whole, in place of the one that is there under this name.
   *
   * @throws where it can't; then the one before is there.
   */
  document(name: string, text: string): void
  /**
   * What keeps a reader from all of it, at the end: that it is gone, say. Undefined if nothing
   * does. Never throws.
   */
  problem(): string | undefined
  /** Lets go of what it holds. Never throws. */
  close(): void
}

/**
 * Makes a sink on the consumer thread, from what the client gave. @throws where it can't write
 * there.
 */
export type CreateSink = (init: unknown) => Sink
