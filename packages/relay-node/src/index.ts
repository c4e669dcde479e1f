export { threadMachine } from './machine.js'
export {
  DescriptorPipe,
  spliceToDescriptor,
  spliceToStream,
  StreamPipe,
  type StreamPipeOptions,
} from './splice.js'
export { consume, SubbufStream, type ConsumeOptions } from './subbuf-stream.js'
export { ConsumerThread, startConsumer, type ConsumerThreadOptions } from './sink-consumer.js'
export { setUpFiles, type LateFilesOptions } from './late-files.js'
export type { SinkModule, SinkSubbuf } from './sink.js'
export { joinRuntime, type JoinedRuntime } from './joined.js'
export type { Tenure } from './cpu-table.js'
export type { RuntimeChannel } from './runtime-channel.js'
export {
  startRuntime,
  type ChannelSettings,
  type CpuEnd,
  type CpuState,
  type RetireOptions,
  type Runtime,
  type RuntimeConsumerOptions,
  type RuntimeOptions,
  type SpawnedCpu,
  type SpawnOptions,
} from './runtime.js'
