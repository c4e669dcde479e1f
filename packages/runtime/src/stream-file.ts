/**
 * The files of one stream on disk. They hold whole packets at every moment, whatever is killed.
 * Runs on the consumer thread.
 *
 * A kill ends a `write` at a page: the kernel stops there when a fatal signal is pending. So a
 * packet is never appended. The file always ends with an *empty packet* whose size reaches over the
 * room to come, which is a hole in the file:
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
 * A header never lies across a page. To keep to that, the packet before it is made a little longer;
 * so is a large one, so that the records of the next start at a multiple of a large power of two:
 * the kernel then takes them in large pieces (on ext4 a fifth faster).
 *
 * File size and header can't change together, so a file never grows. When its room is used up, a
 * further file of the same stream goes on (`cpu_0`, `cpu_0_1`, …), each twice as long as the one
 * before. It is written under a name that readers pass over, and gets its own when it is whole;
 * before that, the file before it is cut behind its last packet. Readers join the files of a stream
 * by its `stream_instance_id`.
 */
import { closeSync, ftruncateSync, writevSync } from 'node:fs'
import { isSame, removeDraft, stateOfDescriptor, type FileState, type OpenFolder } from './folder.js'
import type { Packet } from './packet-format.js'
import type { SinkStream, StreamEnd } from './sink.js'

/** Pages of the file: what one write reaches whole. No system has smaller ones. */
const PAGE_BYTES = 4096
/** Room of the first file of a stream, and of the longest. */
const FIRST_BYTES = 2 ** 22
const MOST_BYTES = 2 ** 28
/** Records start at a multiple of at most this. */
const MOST_ALIGN_BYTES = 2 ** 18
/** The most of a packet that is spent on where the next one starts. */
const PADDING_SHARE = 1 / 16
/** The same for the first packet of a file, which all that follow it get their places from. */
const FIRST_PADDING_SHARE = 1
/** A shorter gap is written, in the same call; a longer one stays a hole in the file. */
const GAP = new Uint8Array(PAGE_BYTES)

/** One file of a stream. */
interface Segment {
  readonly name: string
  readonly fd: number
  state: FileState
  /** Its length on disk. */
  bytes: number
  events: number
  /** Why it can't be read any more. */
  problem: string | undefined
}

/** The files of one stream. */
export class StreamFile implements SinkStream {
  readonly #folder: OpenFolder
  readonly #name: string
  readonly #segments: Segment[] = []
  /** Where the empty packet starts in the last file; its length when there is none. */
  #at = 0
  /** Of the next file; less when the file system allows no more. */
  #nextBytes = FIRST_BYTES
  #mostBytes = MOST_BYTES
  /** The last file was closed. */
  #isReleased = false

  /** @param name of the first file. Nothing is made before the first packet. */
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
   * Writes one packet, from wherever its pieces stand: shared memory is not copied on the way.
   *
   * @param events how many are in it.
   * @throws the error of the file system; then the files hold what they held before.
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
   * Writes the packet that the stream ends with, and leaves no room behind it. If there is more
   * after all, that goes into a further file.
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
        // The packet is in the file, so it must not come again. The room behind it does no harm.
      }
    } else {
      // There is room for it, but for nothing behind it.
      this.#write(segment.fd, [...packet.pieces], this.#at + packet.headerBytes)
      this.#write(segment.fd, [packet.header(rest)], this.#at)
      this.#at = segment.bytes
    }
  }

  /** Closes the files, and looks whether they are what was written. Never throws. */
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

  /** Closes the file that is still open, once. Nothing can be written any more. Never throws. */
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
    const { fd, path } = this.#folder.draft(name)
    try {
      const bytes = this.#reach(fd, next + headerBytes)
      // In this order: the header that follows and the packet's own may share memory.
      this.#write(fd, [packet.following(bytes - next)], next)
      this.#write(fd, [packet.header(next), ...packet.pieces], 0)
      const state = stateOfDescriptor(fd)
      this.#cut()
      this.#folder.publish(path, name)
      const before = this.#segments.at(-1)
      this.#segments.push({ name, fd, state, bytes, events, problem: undefined })
      this.#at = next
      this.#nextBytes = bytes * 2
      // Last, and without an exception: this packet is in the trace.
      if (before !== undefined) this.#closeSegment(before)
    } catch (error) {
      closeSync(fd)
      removeDraft(path)
      throw error
    }
  }

  /** Some file systems (NFS) write only now, and say only now that they could not. Never throws. */
  #closeSegment(segment: Segment): void {
    try {
      closeSync(segment.fd)
    } catch (error) {
      segment.problem ??= `${this.#pathOf(segment)} could not be closed: ${(error as Error).message}`
    }
  }

  /**
   * Makes a new file as long as it is to become, or as the system lets it; at least
   * `needed`. @returns how long.
   */
  #reach(fd: number, needed: number): number {
    for (let bytes = Math.max(needed, Math.min(this.#nextBytes, this.#mostBytes)); ;) {
      try {
        ftruncateSync(fd, bytes)
        return bytes
      } catch (error) {
        // Beyond the limit for files, or a file system that fills holes and is full.
        if (bytes === needed) throw error
        bytes = Math.max(needed, (bytes / 16) & -8)
        this.#mostBytes = bytes
      }
    }
  }

  /**
   * Cuts the last file behind its last packet: the empty one is gone, and the file ends with a
   * whole one.
   */
  #cut(): void {
    const segment = this.#segments.at(-1)
    if (segment === undefined || segment.bytes === this.#at) return
    // What somebody else cut off is not to look as if we had written it.
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

  /** Whether a file is still there under its name, and as long as we left it. */
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
   * Writes pieces at a place of a file. @throws the error of the file system, when it takes no
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

/** Where the header can stand that follows a packet at `at`. */
function headerAfter(at: number, { bytes, headerBytes }: Packet, share = PADDING_SHARE): number {
  const end = at + bytes
  for (let align = MOST_ALIGN_BYTES; align >= PAGE_BYTES; align /= 2) {
    const next = Math.ceil((end + headerBytes) / align) * align - headerBytes
    if (next - end <= bytes * share) return next
  }
  const inPage = end % PAGE_BYTES
  return inPage + headerBytes > PAGE_BYTES ? end - inPage + PAGE_BYTES : end
}

/** What is left of the pieces behind the first `bytes` bytes. */
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
