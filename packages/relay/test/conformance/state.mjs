/**
 * What can be seen of a machine and its channels, in the form of the conformance vectors; patches
 * and differences.
 */
import { crc32 } from 'node:zlib'
import { insideOf, RELAY_INTERFACE_VERSION } from '@rchan/relay/internal'
import { CPU_COUNT } from './machine.mjs'

/** The CRC-32 of bytes, as the vectors write it. */
export function crcOf(...parts) {
  let crc = 0
  for (const part of parts) crc = crc32(part, crc)
  return crc.toString(16).padStart(8, '0')
}

/** The whole state. */
export function stateOf(machine) {
  const ch = {}
  for (const [index, { channel }] of machine.channels) ch[index] = channelState(channel)
  const fd = {}
  for (const [number, { file, index, name }] of machine.descriptors) {
    const maps = file.mappingCount
    if (file.isOpen || maps > 0)
      fd[number] = { open: file.isOpen, pos: file.position, maps, ch: index, file: name }
  }
  return { online: [...machine.online].sort((a, b) => a - b), ch, fd }
}

function channelState(channel) {
  if (channel.references === 0) return { status: 'freed' }
  const slots = []
  const bufs = {}
  const seen = new Set()
  for (let cpu = 0; cpu < CPU_COUNT; cpu += 1) {
    const buffer = channel.buffer(cpu)
    if (buffer === undefined) continue
    slots.push(cpu)
    if (!seen.has(buffer)) bufs[cpu] = bufferState(buffer)
    seen.add(buffer)
  }
  return {
    status: channel.isOpen ? 'open' : 'closed',
    is_global: channel.isGlobal ? 1 : 0,
    has_base_filename: channel.hasBaseFilename ? 1 : 0,
    base_filename: channel.baseFilename,
    last_toobig: channel.lastTooBig,
    subbuf_size: channel.geometry.subbufSize,
    n_subbufs: channel.geometry.subbufCount,
    alloc_size: channel.allocSize,
    version: RELAY_INTERFACE_VERSION,
    kref: channel.references,
    slots,
    bufs,
  }
}

function bufferState(buffer) {
  return {
    cpu: buffer.cpu,
    data: buffer.data,
    offset: buffer.offset,
    subbufs_produced: buffer.produced,
    subbufs_consumed: buffer.consumed,
    bytes_consumed: buffer.bytesConsumed,
    padding: Array.from({ length: buffer.subbufCount }, (_, index) => buffer.padding(index)),
    prev_padding: buffer.prevPadding,
    finalized: buffer.finalized ? 1 : 0,
    early_bytes: buffer.earlyBytes,
    i_size: buffer.fileBytes ?? null,
    kref: buffer.references,
    wakeups: buffer.wakeups,
    waiting: insideOf(buffer).isWaitedFor,
    file: buffer.file?.name ?? null,
    file_exists: buffer.file?.exists ?? false,
    empty: buffer.isEmpty,
    crc: crcOf(buffer.pages),
  }
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The state after an operation, from the one before and the vector's patch. */
export function applyPatch(old, patch) {
  if (!isObject(old) || !isObject(patch)) return patch
  const { $del: removed = [], ...changes } = patch
  const state = { ...old }
  for (const key of removed) delete state[key]
  for (const [key, change] of Object.entries(changes)) {
    state[key] = key in state ? applyPatch(state[key], change) : change
  }
  return state
}

/** The fields that differ: `path: expected …, got …`. */
export function differences(expected, actual, path = '') {
  if (isObject(expected) && isObject(actual)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(actual)])
    return [...keys].flatMap((key) =>
      differences(expected[key], actual[key], path === '' ? key : `${path}.${key}`),
    )
  }
  if (JSON.stringify(sorted(expected)) === JSON.stringify(sorted(actual))) return []
  return [`${path}: expected ${shown(expected)}, got ${shown(actual)}`]
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  )
}

function shown(value) {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > 400 ? `${text.slice(0, 400)}…` : text
}
