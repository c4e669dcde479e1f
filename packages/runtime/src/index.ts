export {
  Arena,
  ARENA,
  CLIENT_BYTES,
  PLACE,
  CONSUMER_STATE,
  tagParts,
  threadTag,
  THREAD_NAME_BYTES,
  type ArenaOptions,
} from './arena.js'
export { now, type Clock } from './clock.js'
export { thisControl } from './this-control.js'
export { Control } from './control.js'
export { CONTROL, MAX_ENTRIES, RUNTIME_ABI } from './control-page.js'
export { TABLE_START, TextTable, type Entry, type TableCursor } from './text-table.js'
export { MAX_STRINGS, Strings } from './strings.js'
export { MAX_OPEN_SPANS, SPAN_SLOT } from './span-table.js'
export type { CutSpan, RecordingFacts, ThreadLife } from './packet-format.js'
export { Cpu, thisCpu, type CpuClient, type CpuView } from './cpu.js'
export { builtins, byteLength, encodeInto, TextDecoder, TextEncoder } from './process.js'
export type {
  CreateFormat,
  Packet,
  PacketFormat,
  PacketSpan,
  PacketStream,
  ThreadTotals,
  SealedPacket,
  SnapshotEvent,
  SnapshotStream,
} from './packet-format.js'
export type { Discarded, Geometry, GlobalWriter, Hole, Mode, Span, Writer, WriterView } from '@rchan/ring'
export type { CreateSink, Sink, SinkStream, StreamEnd } from './sink.js'
export { MAX_REMARKS, REMARK, REMARK_BYTES, REMARKS, Remarks, type Remark } from './remarks.js'
export { nodeMachine, type Machine, type Mailbox } from './machine.js'
export { watchEventLoop, type EventLoopOptions } from './heartbeat.js'
export type { RequestedSnapshot, SnapshotRequestOptions } from './request-snapshot.js'
