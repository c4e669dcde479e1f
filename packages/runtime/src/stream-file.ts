/**
 * The files of one stream on disk. They hold whole packets at every moment, even after a kill. Runs
 * on the consumer thread.
 *
 * A kill ends a `write` at a page boundary: the kernel stops there when a fatal signal is pending.
 * So a packet is never appended. The file always ends with an *empty packet*. Its size covers the
 * free room behind it, which is a hole in the file:
 *
 * ```text
 *   … packet │ header of the empty packet │ room                                      │ end of the file
 *            ▲ #at                        └──────────── its packet_size ──────────────▶
 *
 *   1. records, and the header of the next empty packet, go into the room: for readers nothing has changed
 *   … packet │ header of the empty packet │ records │ header │ room                   │
 *   2. the first header is replaced, by one small write within a page, which a kill can't cut
 *   … packet │ header of the packet       │ records │ header │ room                   │
 *                                                   ▲ #at
 * ```
 *
 * A header never crosses a page boundary. For this the packet before it is made a little longer. A
 * large packet is made longer, too, so that the records of the next one start at a multiple of a
 * large power of two. Then the kernel takes them in large pieces (on ext4 a fifth faster).
 *
 * File size and header can't change together, so a file never grows. When its room is used up, the
 * stream goes on in a further file (`cpu_0`, `cpu_0_1`, …), four times as long as the previous one.
 * A new file is written under a name that readers pass over, and gets its own name when it is
 * whole. Before that, the previous file is cut behind its last packet. Readers join the files of a
 * stream by its `stream_instance_id`.
 */
import { closeSync, ftruncateSync, writevSync } from 'node:fs'
import { isSame, removeDraft, stateOfDescriptor, type FileState, type OpenFolder } from './folder.js'
import type { Packet } from './packet-format.js'
import type { SinkStream, StreamEnd } from './sink.js'

/** A page of the file. A write within one page is never cut. No system has smaller pages. */
const PAGE_BYTES = 4096
/** Room of the first file of a stream, and of the longest file. */
const FIRST_BYTES = 2 ** 22
const MOST_BYTES = 2 ** 28
/** How much longer each file is than the one before: making a file costs as much as two packets. */
const GROWTH = 4
/** Records start at a multiple of at most this. */
const MOST_ALIGN_BYTES = 2 ** 18
/** The largest share of a packet to spend on the alignment of the next one. */
const PADDING_SHARE = 1 / 16
/** The same for the first packet of a file, which sets the alignment of all packets behind it. */
const FIRST_PADDING_SHARE = 1
/** A shorter gap is written in the same call. A longer gap stays a hole in the file. */
const GAP = new Uint8Array(PAGE_BYTES)

/** One file of a stream. */
interface Segment {
  readonly name: string
  readonly fd: number
  readonly state: FileState
  /** Its length on disk. */
  bytes: number
  events: number
  /** The reason why it can't be read any more, if there is one. */
  problem: string | undefined
}

/** The files of one stream. */
export class StreamFile implements SinkStream {
  readonly #folder: OpenFolder
  readonly #name: string
  readonly #segments: Segment[] = []
  /** Where the empty packet starts in the last file; the file's length if there is none. */
  #at = 0
  /** Length of the next file; less if the file system allows no more. */
  #nextBytes = FIRST_BYTES
  #mostBytes = MOST_BYTES
  /** Whether the last file was closed. */
  #isReleased = false

  /** @param name the name of the first file. No file is made before the first packet. */
  constructor(folder: OpenFolder, name: string) {
    this.#folder = folder
    this.#name = name
  }

  /** Bytes of the packets in all files. */
  get bytes(): number {
    const before = this.#segments.slice(0, -1).reduce((sum, { bytes }) => sum + bytes, 0)
    return before + this.#at
  }

  /** Whether the last file ends with its last packet, and has no room. */
  get isEnded(): boolean {
    const segment = this.#segments.at(-1)
    return segment !== undefined && segment.bytes === this.#at
  }

  /** The names of the files, in their order. */
  get names(): readonly string[] {
    return this.#segments.map(({ name }) => name)
  }

  /**
   * Writes one packet, with its pieces in place: shared memory is not copied on the way.
   *
   * @param events the number of events in it.
   * @throws the error of the file system; then the files' content is as before.
   */
  append(packet: Packet, events: number): void {
    const segment = this.#segments.at(-1)
    const { headerBytes } = packet
    const next = headerAfter(this.#at, packet)
    if (segment === undefined || next + headerBytes > segment.bytes) return this.#begin(packet, events)
    const { fd } = segment
    const gapBytes = next - this.#at - packet.bytes
    const following = packet.following(segment.bytes - next)
    if (gapBytes < PAGE_BYTES) {
      this.#write(fd, [...packet.pieces, GAP.subarray(0, gapBytes), following], this.#at + headerBytes)
    } else {
      this.#write(fd, packet.pieces, this.#at + headerBytes)
      this.#write(fd, [following], next)
    }
    this.#write(fd, [packet.header(next - this.#at)], this.#at)
    this.#at = next
    segment.events += events
  }

  /**
   * Writes the last packet of the stream, and leaves no room behind it. Any later packet goes into
   * a further file.
   *
   * @throws the error of the file system.
   */
  end(packet: Packet): void {
    const segment = this.#segments.at(-1)
    const rest = segment === undefined ? 0 : segment.bytes - this.#at
    const needed = headerAfter(this.#at, packet) + packet.headerBytes - this.#at
    if (segment === undefined || rest < packet.bytes || rest >= needed) {
      this.append(packet, 0)
      try {
        this.#cut()
      } catch {
        // The packet is in the file, so it must not be written again. The room behind it does no
        // harm.
      }
    } else {
      // There is room for the packet, but for nothing behind it.
      this.#write(segment.fd, [...packet.pieces], this.#at + packet.headerBytes)
      this.#write(segment.fd, [packet.header(rest)], this.#at)
      this.#at = segment.bytes
    }
  }

  /** Closes the files, and checks that they are as written. Never throws. */
  close(): StreamEnd {
    let problem: string | undefined
    let lostEvents = 0
    this.release()
    for (const segment of this.#segments) {
      this.#look(segment)
      if (segment.problem === undefined) continue
      problem ??= segment.problem
      lostEvents += segment.events
    }
    return { problem, lostEvents }
  }

  /** Closes the file that is still open, once. No packet can be written any more. Never throws. */
  release(): void {
    const last = this.#segments.at(-1)
    if (last !== undefined && !this.#isReleased) this.#closeSegment(last)
    this.#isReleased = true
  }

  /** Makes the next file, with this packet in it. */
  #begin(packet: Packet, events: number): void {
    const { headerBytes } = packet
    const next = headerAfter(0, packet, FIRST_PADDING_SHARE)
    const index = this.#segments.length
    const name = index === 0 ? this.#name : `${this.#name}_${index}`
    const { fd, path, state } = this.#folder.draft(name)
    try {
      const bytes = this.#reach(fd, next + headerBytes)
      // In this order, because the following header and the packet's own may share memory.
      this.#write(fd, [packet.following(bytes - next)], next)
      this.#write(fd, [packet.header(next), ...packet.pieces], 0)
      this.#cut()
      this.#folder.publish(path, name)
      const before = this.#segments.at(-1)
      this.#segments.push({ name, fd, state, bytes, events, problem: undefined })
      this.#at = next
      this.#nextBytes = bytes * GROWTH
      // This comes last and must not throw, because the packet is in the trace.
      if (before !== undefined) this.#closeSegment(before)
    } catch (error) {
      closeSync(fd)
      removeDraft(path)
      throw error
    }
  }

  /**
   * Closes a file. Some file systems (NFS) write only now, and report an error only now. Never
   * throws.
   */
  #closeSegment(segment: Segment): void {
    try {
      closeSync(segment.fd)
    } catch (error) {
      segment.problem ??= `${this.#pathOf(segment)} could not be closed: ${(error as Error).message}`
    }
  }

  /**
   * Extends a new file to its full length, or as far as the system allows, but at least to
   * `needed`. @returns its length.
   */
  #reach(fd: number, needed: number): number {
    for (let bytes = Math.max(needed, Math.min(this.#nextBytes, this.#mostBytes)); ;) {
      try {
        ftruncateSync(fd, bytes)
        return bytes
      } catch (error) {
        // The length is beyond the limit for files, or the file system fills holes and is full.
        if (bytes === needed) throw error
        bytes = Math.max(needed, (bytes / 16) & -8)
        this.#mostBytes = bytes
      }
    }
  }

  /**
   * Cuts the last file behind its last packet. The empty packet is gone, and the file ends with a
   * whole one.
   */
  #cut(): void {
    const segment = this.#segments.at(-1)
    if (segment === undefined || segment.bytes === this.#at) return
    // If another program cut the file, our cut must not hide that.
    this.#checkLength(segment, stateOfDescriptor(segment.fd).bytes)
    ftruncateSync(segment.fd, this.#at)
    segment.bytes = this.#at
  }

  #checkLength(segment: Segment, bytes: number): void {
    if (bytes === segment.bytes) return
    segment.problem ??=
      `${this.#pathOf(segment)} was changed while it was recorded into: it had ${bytes} bytes, ` +
      `not the ${segment.bytes} that were written`
  }

  /** Checks that a file is still there under its name, with the length that we left. */
  #look(segment: Segment): void {
    const found = this.#folder.find(segment.name)
    if (found === undefined)
      segment.problem ??= `${this.#pathOf(segment)} was removed while it was recorded into`
    else if (!isSame(found, segment.state))
      segment.problem ??= `${this.#pathOf(segment)} was replaced by another file while it was recorded into`
    else this.#checkLength(segment, found.bytes)
  }

  #pathOf({ name }: Segment): string {
    return `${this.#folder.path}/${name}`
  }

  /**
   * Writes pieces at a position of a file. @throws the error of the file system, when it takes no
   * more.
   */
  #write(fd: number, pieces: readonly Uint8Array[], at: number): void {
    let rest = pieces.filter((piece) => piece.byteLength > 0)
    let position = at
    while (rest.length > 0) {
      const written = writevSync(fd, rest, position)
      if (written <= 0)
        throw new Error(`no bytes of a packet could be written to ${this.#folder.path}/${this.#name}`)
      position += written
      rest = after(rest, written)
    }
  }
}

/** Where the next header can start behind a packet at `at`. */
function headerAfter(at: number, { bytes, headerBytes }: Packet, share = PADDING_SHARE): number {
  const end = at + bytes
  for (let align = MOST_ALIGN_BYTES; align >= PAGE_BYTES; align /= 2) {
    const next = Math.ceil((end + headerBytes) / align) * align - headerBytes
    if (next - end <= bytes * share) return next
  }
  const inPage = end % PAGE_BYTES
  return inPage + headerBytes > PAGE_BYTES ? end - inPage + PAGE_BYTES : end
}

/** The rest of the pieces behind the first `bytes` bytes. */
function after(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  const rest: Uint8Array[] = []
  for (const piece of pieces) {
    if (skip >= piece.byteLength) {
      skip -= piece.byteLength
    } else {
      rest.push(piece.subarray(skip))
      skip = 0
    }
  }
  return rest
}
