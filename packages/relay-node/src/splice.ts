/**
 * Splices all complete sub-buffers of a relay file to a file descriptor or a Node stream.
 *
 * It runs on the thread that reads the relay file. Its only state is the begun piece of each file.
 * It copies no byte in JavaScript, so the writer must not take back unconsumed sub-buffers: use it
 * in discard mode. In overwrite mode the system might copy a sub-buffer while a thread writes it
 * anew. Use a `Reader` there, which copies and then checks.
 */
import type { Writable } from 'node:stream'
import type { RelayFile } from '@rchan/relay'
import { DescriptorPipe } from './descriptor-pipe.js'
import { StreamPipe, type StreamPipeOptions } from './stream-pipe.js'

/** More bytes than a sub-buffer has, so that each splice takes as much as it can. */
const ALL = 2 ** 31

/**
 * The pipe of each file that was spliced to a descriptor's number. The rest of a piece must go
 * through the same pipe.
 */
const pipes = new WeakMap<RelayFile, DescriptorPipe>()

/**
 * Writes all complete sub-buffers of a relay file to a file descriptor, without padding, and
 * consumes the bytes that it took.
 *
 * A non-blocking descriptor may take only a part. Call again with the same file when the descriptor
 * is writable.
 *
 * @param to a descriptor, which stays open, or a pipe into a descriptor.
 * @returns bytes written.
 * @throws the system's error (ENOSPC, EPIPE, EBADF …): the bytes written before it are consumed,
 * the rest is not, and another call with the same file goes on with the next byte; Error when the
 * file's position is not where consumption is, or the writer has taken back unconsumed sub-buffers.
 * @example
 * const fd = fs.openSync('cpu0', 'w')
 * const bytes = spliceToDescriptor(file, fd)
 */
export function spliceToDescriptor(file: RelayFile, to: number | DescriptorPipe): number {
  const pipe = typeof to === 'number' ? pipeOf(file, to) : to
  const before = pipe.bytes
  while (spliceOne(file, pipe, pipe.begunBytes)) {}
  return pipe.bytes - before
}

/**
 * Writes all complete sub-buffers of a relay file to a Node stream, without padding. At most one is
 * under way: the next follows when the stream has taken it and wants more. The bytes that the
 * stream has taken are consumed.
 *
 * It does not end the stream. A file can have one call at a time.
 *
 * @param to a stream, or a pipe into a stream.
 * @param options options of the pipe, if `to` is a stream. Streams that hand on their chunks need
 * {@link StreamPipeOptions.copy}.
 * @returns bytes that the stream took.
 * @throws (the promise) the stream's error, or Error when the stream was ended or destroyed: the
 * bytes that it had not taken are not consumed. To go on, call `pipe.redirect(other)` and splice
 * again. Or open a new relay file, whose `read` starts where consumption is; the position of this
 * file is behind the bytes handed over. Error also when the file's position is not where
 * consumption is, or the writer has taken back unconsumed sub-buffers.
 * @example
 * const bytes = await spliceToStream(file, fs.createWriteStream('cpu0', { flags: 'a' }))
 */
export async function spliceToStream(
  file: RelayFile,
  to: Writable | StreamPipe,
  options?: StreamPipeOptions,
): Promise<number> {
  const pipe = isPipe(to) ? to : new StreamPipe(to, options)
  const before = pipe.bytes
  do await pipe.idle()
  while (spliceOne(file, pipe, 0) || pipe.isBusy)
  return pipe.bytes - before
}

/** Not by `instanceof`: another copy of this module may have made it. No stream has this name. */
function isPipe(to: Writable | StreamPipe): to is StreamPipe {
  return 'underWayBytes' in to
}

function pipeOf(file: RelayFile, fd: number): DescriptorPipe {
  let pipe = pipes.get(file)
  if (pipe === undefined) {
    pipe = new DescriptorPipe(fd)
    pipes.set(file, pipe)
  }
  pipe.fd = fd
  return pipe
}

/**
 * Splices once.
 *
 * @param begunBytes bytes taken but not consumed yet.
 * @returns whether the file moved. If not, nothing is complete or the pipe takes no more. The
 * result of `splice` can't tell this, because it includes padding.
 */
function spliceOne(file: RelayFile, pipe: DescriptorPipe | StreamPipe, begunBytes: number): boolean {
  const { buffer, position } = file
  // A sub-buffer that was read to its end while it was open is settled by the next read, even by a
  // read that takes nothing.
  if (buffer.bytesConsumed === buffer.subbufSize) file.read(1, () => false)
  // `splice` looks neither at consumption nor at the writer. It would hand out any bytes at the
  // position.
  const { subbufSize, subbufCount, produced, consumed, bytesConsumed } = buffer
  const ringBytes = subbufSize * subbufCount
  const place = (consumed % subbufCount) * subbufSize + bytesConsumed + begunBytes
  if (position % ringBytes !== place % ringBytes) {
    throw new Error(
      `splice from position=${position % ringBytes} of a buffer that is consumed to ${place % ringBytes}; ` +
        'read to the end of the sub-buffer first',
    )
  }
  const lastReadable = subbufCount - (buffer.isOpen ? 1 : 0)
  if (produced - consumed > lastReadable) {
    throw new Error(`the writer has taken back sub-buffers: produced=${produced} consumed=${consumed}`)
  }
  file.splice(pipe, ALL, true)
  return file.position !== position
}

export { DescriptorPipe, StreamPipe, type StreamPipeOptions }
