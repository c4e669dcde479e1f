export { isBytes, isSharedMemory, nameOfTypedArray } from './brand.js'
export {
  BUFFER,
  BUFFER_ABI,
  BufferMemory,
  bufferBytes,
  checkCount,
  checkGeometry,
  dataOffset,
  ENTRY_BYTES,
  MAX_BUFFER_BYTES,
  MAX_SUBBUFS,
  PAGE_BYTES,
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
} from './global/buffer.js'
export { FirstLap, firstLapBytes, MOST_LEAD_BYTES, NEAR_BYTES } from './first-lap.js'
export { GlobalReader, type Extent, type GlobalSpan, type Hole } from './global/reader.js'
export { GlobalWriter, PHASE, type GlobalView, type GlobalWriterCallbacks } from './global/writer.js'
export { GRACE_MS, Reader, type ReaderOptions, type Span } from './reader.js'
export { FULL, TOO_BIG, Writer, type WriterCallbacks } from './writer.js'
export { emptyView, type WriterView } from './writer-view.js'
