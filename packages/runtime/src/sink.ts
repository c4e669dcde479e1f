/**
 * The sink that takes the consumer's packets. The client chooses a sink as it chooses a format.
 * Both run on the consumer thread, and the consumer knows no other output. `file-sink.ts` is the
 * sink that writes a folder.
 *
 * The content of a sink must be valid at every moment, because the process may be killed after any
 * call.
 */

/**
 * A packet on its way to a sink: a header, and then bytes in place. It is valid until the stream
 * makes the next one.
 */
export interface Packet {
  /** Bytes of each header of the stream. */
  readonly headerBytes: number
  /** Bytes of header and pieces; a multiple of 8. */
  readonly bytes: number
  /** The bytes behind the header. */
  readonly pieces: readonly Uint8Array[]
  /**
   * Makes the header of this packet for a size of `bytes` bytes in the file: its own size, or more.
   */
  header(bytes: number): Uint8Array
  /**
   * Makes the header of an empty packet behind this one, with `bytes` bytes in the file. It may use
   * the same memory as `header`.
   */
  following(bytes: number): Uint8Array
}

/** The output of one stream's packets, in their order. */
export interface SinkStream {
  /** Bytes of the packets that it has taken. */
  readonly bytes: number
  /** Whether the stream ended with its last packet. */
  readonly isEnded: boolean
  /**
   * Takes a packet. Its bytes are valid during the call only.
   *
   * @param events the number of events in it.
   * @throws when it can't take the packet; then its content is as before, and the packet comes
   * again.
   */
  append(packet: Packet, events: number): void
  /**
   * Takes the last packet of the stream. The stream may still go on after it. @throws as `append`.
   */
  end(packet: Packet): void
  /** Closes the stream, and checks whether all its packets can be read. Never throws. */
  close(): StreamEnd
}

/** The end of a stream. */
export interface StreamEnd {
  /** The first thing that is wrong with it. */
  readonly problem: string | undefined
  /** Events that were taken and can't be read any more. */
  readonly lostEvents: number
}

/** The output of a recording. */
export interface Sink {
  /** Makes a new stream. It is not visible before its first packet. */
  stream(name: string): SinkStream
  /**
   * Puts a whole text beside the streams, and replaces the earlier text of this name.
   *
   * @throws when it can't; then the earlier text is still there.
   */
  document(name: string, text: string): void
  /**
   * The problem, at the end, that keeps a reader from the whole output: for example, the folder is
   * gone. Undefined if there is none. Never throws.
   */
  problem(): string | undefined
  /** Releases its resources. Never throws. */
  close(): void
}

/**
 * Makes a sink on the consumer thread, from the client's data. @throws when it can't write there.
 */
export type CreateSink = (init: unknown) => Sink
