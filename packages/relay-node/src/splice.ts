/**
 * Splicing to the world: all complete sub-buffers of a relay file, to a file descriptor or a Node
 * stream.
 *
 * Runs on the thread that reads the relay file. Owns nothing but which piece of a file was begun.
 * No byte is copied in JavaScript, so the writer must not take back what was not consumed: it is
 * for discard mode. In overwrite mode the system might copy a sub-buffer while it is written anew;
 * a `Reader`, which copies and then checks, is for that.
 */
import type { Writable } from 'node:stream'
import type { RelayFile } from '@rchan/relay'
import { DescriptorPipe } from './descriptor-pipe.js'
import { StreamPipe, type StreamPipeOptions } from './stream-pipe.js'

/** More than a sub-buffer has: each splice takes what it can. */
const ALL = 2 ** 31

/**
 * Pipes that were made for a file and a descriptor's number: the rest of a piece must go through
 * the same one.
 */
const pipes = new WeakMap<RelayFile, DescriptorPipe>()

/**
 * Hands all complete sub-buffers of a relay file to a file descriptor, without padding, and
 * consumes what it took.
 *
 * A non-blocking descriptor may take only a part: call again when it is writable, with the same
 * file.
 *
 * @param to a descriptor, which stays open, or a pipe into one.
 * @returns bytes that were written.
 * @throws the error of the system (ENOSPC, EPIPE, EBADF …): what was written before is consumed,
 * the rest is not, and a further call with the same file goes on with the next byte; Error when the
 * file does not stand where consumption does, or the writer has taken back what was not consumed.
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
 * Hands all complete sub-buffers of a relay file to a Node stream, without padding: at most one is
 * under way, and the next follows when the stream has taken it and wants more. What the stream has
 * taken is consumed.
 *
 * The stream is not ended. One call at a time for a file.
 *
 * @param to a stream, or a pipe into one.
 * @param options for a stream; see {@link StreamPipeOptions.copy} for those that hand on what they
 * are given.
 * @returns bytes that the stream took.
 * @throws (the promise) what the stream failed with, or Error when it was ended or destroyed: what
 * it had not taken is not consumed. `pipe.redirect(other)` and another call go on. So does a new
 * relay file, whose `read` starts where consumption stands, while this one's position is behind
 * what was handed over. Error also when the file does not stand where consumption does, or the
 * writer has taken back what was not consumed.
 * @example
 * const bytes = await spliceToStream(file, fs.createWriteStream('cpu0', { flags: 'a' }))
 */
export async function spliceToStream(
  file: RelayFile,
  to: Writable | StreamPipe,
  options?: StreamPipeOptions,
): Promise<number> {
  const pipe = to instanceof StreamPipe ? to : new StreamPipe(to, options)
  const before = pipe.bytes
  do await pipe.idle()
  while (spliceOne(file, pipe, 0) || pipe.isBusy)
  return pipe.bytes - before
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
 * @param begunBytes taken but not consumed yet.
 * @returns whether the file moved: if not, nothing is complete or the pipe takes no more. What
 * `splice` returns doesn't tell, because padding counts in it.
 */
function spliceOne(file: RelayFile, pipe: DescriptorPipe | StreamPipe, begunBytes: number): boolean {
  const { buffer, position } = file
  // A sub-buffer that was read to its brim while it was open is settled by the next read, even one
  // that takes nothing.
  if (buffer.bytesConsumed === buffer.subbufSize) file.read(1, () => false)
  // Splicing looks neither at what is consumed nor at the writer: it would hand out whatever stands
  // at the position.
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
