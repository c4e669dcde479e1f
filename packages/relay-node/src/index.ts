export { threadMachine } from './machine.js'
export {
  DescriptorPipe,
  spliceToDescriptor,
  spliceToStream,
  StreamPipe,
  type StreamPipeOptions,
} from './splice.js'
