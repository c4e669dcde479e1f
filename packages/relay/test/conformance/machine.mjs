/**
 * The machine that the conformance vectors are played on: CPUs, memory, files, descriptors, the
 * client's callbacks and the system's log. It knows relay by its public face only. What each
 * operation does, the vectors' README says.
 */
import { Relay } from '@rchan/relay'

export const CPU_COUNT = 8
const PAGE_BYTES = 4096
const MEMORY_BYTES = 2 ** 24
const LEVELS = { error: '<3>', warning: '<4>', fault: '<warn>' }

export class Machine {
  online = new Set([0, 1])
  possible = new Set(Array.from({ length: CPU_COUNT }, (_, cpu) => cpu))
  /** By index: the channel, and the options it was opened with. */
  channels = new Map()
  /** All files ever made, oldest first. */
  files = []
  descriptors = new Map()
  descriptorCount = 0
  /** What the operation at hand made the client and the system say. */
  log = []
  printk = []
  #failing = {}

  constructor() {
    const machine = {
      onlineCpus: () => [...this.online].sort((a, b) => a - b),
      isShortFor: (purpose, geometry) => this.#isShortFor(purpose, geometry),
      log: (level, message) => this.printk.push(LEVELS[level] + message),
    }
    this.relay = new Relay(machine, { possibleCpus: CPU_COUNT, memoryBytes: MEMORY_BYTES })
  }

  failAllocations(settings) {
    this.#failing = { ...settings }
  }

  /** The callbacks of a client with the options of `open`. */
  callbacks(index, options) {
    if (options.mode === 'none') return undefined
    const client = new Client(this, index, options)
    const callbacks = {}
    const offer = (name, omitted, callback) => {
      if (!(options.omit ?? []).includes(omitted)) callbacks[name] = callback
    }
    if (options.mode !== 'default') offer('subbufStart', 'subbuf_start', client.subbufStart)
    offer('createBufFile', 'create_buf_file', client.createBufFile)
    offer('removeBufFile', 'remove_buf_file', client.removeBufFile)
    offer('bufMapped', 'buf_mapped', client.bufMapped)
    offer('bufUnmapped', 'buf_unmapped', client.bufUnmapped)
    return callbacks
  }

  #isShortFor(purpose, { subbufSize, subbufCount }) {
    if (purpose !== 'buffer') return this.#strikes(purpose === 'channel' ? 'chan' : 'name')
    // The kernel makes a buffer of several allocations; here they only count.
    if (this.#strikes('buf') || this.#strikes('padding') || this.#strikes('page_array')) return true
    const pages = Math.ceil((subbufSize * subbufCount) / PAGE_BYTES)
    for (let page = 0; page < pages; page += 1) if (this.#strikes('page')) return true
    return this.#strikes('vmap')
  }

  #strikes(kind) {
    if (!this.#failing[kind]) return false
    this.#failing[kind] -= 1
    return this.#failing[kind] === 0
  }
}

/** A client of one channel: logs what it is called with, and answers as its options say. */
class Client {
  constructor(machine, index, options) {
    this.machine = machine
    this.index = index
    this.options = options
  }

  #log(cb, entry) {
    this.machine.log.push(this.index === 0 ? { cb, ...entry } : { cb, ch: this.index, ...entry })
  }

  subbufStart = (buffer, subbuf, prevSubbuf, prevPadding) => {
    const { mode, reserve_header: header = 0 } = this.options
    const accepts = mode === 'overwrite' || (mode === 'no-overwrite' && !buffer.isFull)
    if (accepts && header > 0) buffer.subbufStartReserve(header)
    this.#log('subbuf_start', {
      cpu: buffer.cpu,
      new: subbuf,
      old: prevSubbuf ?? null,
      prev_padding: prevPadding,
      ret: accepts ? 1 : 0,
    })
    return accepts
  }

  createBufFile = (name, parent, mode, buffer, declareGlobal) => {
    const { global = false, create_file_fails_on: failing = [], null_name_returns_file: stray } = this.options
    if (global) declareGlobal()
    const makes = name === undefined ? stray === true : !failing.includes(buffer.cpu)
    const file = makes ? { name: name ?? null, exists: true, buffer, index: this.index } : undefined
    if (file !== undefined) this.machine.files.push(file)
    this.#log('create_buf_file', {
      name: name ?? null,
      cpu: buffer.cpu,
      parent: parent !== undefined,
      mode,
      is_global: global ? 1 : 0,
      ret: makes,
    })
    return file
  }

  removeBufFile = (file) => {
    if (file !== undefined) file.exists = false
    this.#log('remove_buf_file', { name: file?.name ?? null, ret: 0 })
  }

  bufMapped = (buffer, file) => this.#log('buf_mapped', { cpu: buffer.cpu, fd: this.#descriptorOf(file) })
  bufUnmapped = (buffer, file) => this.#log('buf_unmapped', { cpu: buffer.cpu, fd: this.#descriptorOf(file) })

  #descriptorOf(file) {
    for (const [fd, descriptor] of this.machine.descriptors) if (descriptor.file === file) return fd
    return null
  }
}
