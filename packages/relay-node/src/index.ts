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
