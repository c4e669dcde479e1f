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
export { Reader, type Span } from './reader.js'
export { emptyView, FULL, TOO_BIG, Writer, type WriterCallbacks, type WriterView } from './writer.js'
