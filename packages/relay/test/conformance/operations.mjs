/**
 * The operations of the conformance vectors, as calls of relay's face. Each returns its result
 * fields.
 */
import { KernelFile } from '@rchan/relay/internal'
import { CPU_COUNT } from './machine.mjs'
import { crcOf } from './state.mjs'

const AGAIN = -11
const NO_MEMORY = -12
const EXISTS = -17
const INVALID = -22
const NO_SEEK = -29
const INTERRUPTED = -512
const REFUSALS = { again: AGAIN, interrupted: INTERRUPTED }
const POLL_MASKS = { readable: 65, error: 8, nothing: 0 }
const LATE_SETUPS = { done: 0, exists: EXISTS, invalid: INVALID }
const NON_BLOCKING = 2

/** An operation that the runner refuses itself. */
class Refusal extends Error {}

/** Runs one operation. @returns its result fields. */
export function perform(machine, operation) {
  const run = OPERATIONS[operation.op]
  if (run === undefined) throw new Error(`no operation op=${operation.op}`)
  try {
    return run(machine, operation) ?? {}
  } catch (error) {
    if (error instanceof Refusal) return { err: error.message }
    throw error
  }
}

/** The bytes of a record. */
function payload(length, seed) {
  return Uint8Array.from({ length }, (_, i) => seed * 31 + i * 7 + Math.floor(i / 256))
}

/** Bytes as the vectors show them. */
function contents(parts) {
  const bytes = Buffer.concat(parts)
  return bytes.length <= 256 ? { hex: bytes.toString('hex') } : { crc: crcOf(bytes) }
}

/** The channel of an operation; undefined where it says that there is none. */
function channelOf(machine, { ch = 0 }) {
  if (ch === null) return undefined
  const held = machine.channels.get(ch)
  if (held === undefined) throw new Refusal('no_channel')
  if (!held.channel.isOpen) throw new Refusal('closed')
  return held.channel
}

function bufferOf(machine, operation) {
  const channel = channelOf(machine, operation)
  const { cpu } = operation
  if (cpu < 0 || cpu >= CPU_COUNT) throw new Refusal('bad_cpu')
  const buffer = channel.buffer(cpu)
  if (buffer === undefined) throw new Refusal('no_buffer')
  return { channel, buffer }
}

function fileOf(machine, { fd }) {
  const file = machine.descriptors.get(fd)?.file
  if (!file?.isOpen) throw new Refusal('bad_fd')
  return file
}

function openChannel(machine, operation) {
  const { ch = 0 } = operation
  const held = machine.channels.get(ch)
  if (held !== undefined && held.channel.references > 0) throw new Refusal('channel_in_use')
  machine.channels.delete(ch)
  const options = { ...operation }
  const callbacks = machine.callbacks(ch, options)
  try {
    const channel = machine.relay.open({
      baseFilename: operation.base_filename ?? undefined,
      parent: operation.parent ? 'parent' : undefined,
      subbufSize: operation.subbuf_size,
      subbufCount: operation.n_subbufs,
      ...(callbacks === undefined ? {} : { callbacks }),
    })
    machine.channels.set(ch, { channel, options })
    return { ret: true }
  } catch (error) {
    // A TypeError would be a bug of ours.
    if (error instanceof TypeError) throw error
    return { ret: false }
  }
}

function openFile(machine, operation) {
  const { name, readable = true } = operation
  let made
  if (name === undefined) made = bufferOf(machine, operation).buffer.file
  else made = machine.files.findLast((file) => file.name === name && file.exists)
  if (made === undefined) throw new Refusal('no_file')
  const fd = machine.descriptorCount
  machine.descriptorCount += 1
  const file = new KernelFile(made.buffer, readable)
  machine.descriptors.set(fd, { file, index: made.index, name: made.name })
  return { ret: 0, fd }
}

/** A pipe whose reader takes everything out at once. */
class TestPipe {
  taken = []
  constructor(capacity, used, blocks) {
    this.capacity = capacity
    this.free = capacity - used
    this.blocks = blocks
  }
  take(pieces) {
    if (this.free <= 0) return this.blocks ? 'interrupted' : 'again'
    let bytes = 0
    for (const piece of pieces.slice(0, this.free)) {
      bytes += piece.bytes.length
      this.taken.push({
        page: piece.page,
        off: piece.pageOffset,
        len: piece.bytes.length,
        private: piece.consumes,
        ...contents([piece.bytes]),
      })
      piece.release()
    }
    return bytes
  }
}

const OPERATIONS = {
  machine(machine, { online, possible }) {
    machine.online = new Set(online)
    if (possible !== undefined) machine.possible = new Set(possible)
  },
  prepare_cpu(machine, { cpu }) {
    if (cpu < 0 || cpu >= CPU_COUNT || !machine.possible.has(cpu)) throw new Refusal('bad_cpu')
    machine.online.add(cpu)
    return { ret: machine.relay.prepareCpu(cpu) ? 0 : NO_MEMORY }
  },
  offline(machine, { cpu }) {
    if (cpu < 0 || cpu >= CPU_COUNT) throw new Refusal('bad_cpu')
    machine.online.delete(cpu)
  },
  fail_alloc(machine, { op: _op, ...settings }) {
    machine.failAllocations(settings)
  },
  open: openChannel,
  set_create_fails(machine, operation) {
    channelOf(machine, operation)
    machine.channels.get(operation.ch ?? 0).options.create_file_fails_on = operation.cpus
  },
  write(machine, operation) {
    const { channel } = bufferOf(machine, operation)
    const { cpu, len, seed } = operation
    return { stored: channel.write(cpu, payload(len, seed)) ? len : 0 }
  },
  reserve(machine, operation) {
    const { channel, buffer } = bufferOf(machine, operation)
    const { cpu, len, seed } = operation
    const at = channel.reserve(cpu, len)
    if (at === undefined) return { ret: null }
    buffer.memory.data.set(payload(len, seed), at)
    return { ret: at }
  },
  switch(machine, operation) {
    return { ret: bufferOf(machine, operation).buffer.switch(operation.len) }
  },
  flush(machine, operation) {
    channelOf(machine, operation)?.flush()
  },
  reset(machine, operation) {
    channelOf(machine, operation)?.reset()
  },
  close(machine, operation) {
    channelOf(machine, operation)?.close()
  },
  late_setup_files(machine, operation) {
    const parent = operation.parent ? 'parent' : undefined
    const outcome = channelOf(machine, operation)?.lateSetupFiles(
      operation.base_filename ?? undefined,
      parent,
    )
    return { ret: outcome === undefined ? INVALID : LATE_SETUPS[outcome] }
  },
  subbufs_consumed(machine, operation) {
    channelOf(machine, operation)?.subbufsConsumed(operation.cpu, operation.n)
  },
  buf_full(machine, operation) {
    return { ret: bufferOf(machine, operation).buffer.isFull ? 1 : 0 }
  },
  file_open: openFile,
  file_read(machine, operation) {
    const parts = []
    let copies = 0
    const ret = fileOf(machine, operation).read(operation.count, (bytes) => {
      copies += 1
      if (copies === operation.fault_at) return false
      parts.push(Buffer.from(bytes))
      return true
    })
    return { ret, ...contents(parts) }
  },
  file_poll(machine, operation) {
    const wake = (operation.wait ?? true) ? () => undefined : undefined
    return { ret: POLL_MASKS[fileOf(machine, operation).poll(wake)] }
  },
  file_mmap(machine, operation) {
    const file = fileOf(machine, operation)
    try {
      const { bytes, missingPages } = file.mmap(operation.length, operation.pgoff)
      return { ret: 0, dontexpand: true, sigbus: missingPages, crc: crcOf(bytes) }
    } catch (error) {
      if (error instanceof RangeError) return { ret: INVALID }
      throw error
    }
  },
  file_munmap(machine, { fd }) {
    const file = machine.descriptors.get(fd)?.file
    if (file === undefined || (!file.isOpen && file.mappingCount === 0)) throw new Refusal('bad_fd')
    if (file.mappingCount === 0) throw new Refusal('no_mapping')
    return { ret: file.munmap() ? 0 : null }
  },
  file_splice_read(machine, operation) {
    const file = fileOf(machine, operation)
    const { len, flags, pipe_capacity: capacity = 16, pipe_used: used = 0 } = operation
    const nonBlocking = (flags & NON_BLOCKING) !== 0
    const pipe = new TestPipe(capacity, used, !nonBlocking)
    const result = file.splice(pipe, len, nonBlocking)
    return { ret: typeof result === 'number' ? result : REFUSALS[result], pages: pipe.taken }
  },
  file_llseek(machine, operation) {
    const file = fileOf(machine, operation)
    try {
      file.seek(operation.offset)
    } catch {
      return { ret: NO_SEEK }
    }
    return { ret: 0 }
  },
  file_release(machine, operation) {
    return { ret: fileOf(machine, operation).release() ? 0 : null }
  },
}
