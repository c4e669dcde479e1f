export {
  BUFFER,
  BUFFER_ABI,
  BufferMemory,
  bufferBytes,
  checkGeometry,
  dataOffset,
  MAX_BUFFER_BYTES,
  MAX_SUBBUFS,
  type Discarded,
  type Geometry,
  type Mode,
} from './buffer.js'
export { Channel, MAX_CPUS, type ChannelOptions } from './channel.js'
export {
  checkGlobalGeometry,
  GLOBAL,
  GLOBAL_ABI,
  GLOBAL_ENTRY,
  GLOBAL_SLOT,
  GlobalBuffer,
  globalBufferBytes,
  MAX_WRITERS,
  ORPHAN,
  type GlobalGeometry,
} from './global-buffer.js'
export { GlobalReader, type Extent, type GlobalSpan, type Hole } from './global-reader.js'
export { GlobalWriter, PHASE, type GlobalView, type GlobalWriterCallbacks } from './global-writer.js'
export { Reader, type Span } from './reader.js'
export { FULL, TOO_BIG, Writer, type WriterCallbacks } from './writer.js'
export { emptyView, type WriterView } from './writer-view.js'
export { plainMachine, Relay, type LogLevel, type Machine, type RelayLimits } from './relay.js'
export { RelayBuffer } from './relay-buffer.js'
export type { RelayCallbacks } from './relay-callbacks.js'
export { RelayChannel } from './relay-channel.js'
export type { LateSetup, RelayOptions } from './relay-options.js'
export { RelayFile, type Copy, type Mapping, type PollState } from './relay-file.js'
export { type Piece, type Pipe, type SpliceResult } from './relay-splice.js'
export { MAX_CHANNELS, MAX_MEMBERS, MAX_RELAY_CPUS } from './relay-layout.js'
