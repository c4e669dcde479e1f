/**
 * The entry `rchan/runtime`: threads as CPUs, which a coordinator spawns and retires, and channels
 * that all of them write.
 */
export {
  joinRuntime,
  startRuntime,
  type ChannelSettings,
  type ConsumeOptions,
  type ConsumerThread,
  type ConsumerThreadOptions,
  type CpuEnd,
  type CpuState,
  type JoinedRuntime,
  type LateFilesOptions,
  type RetireOptions,
  type Runtime,
  type RuntimeConsumerOptions,
  type RuntimeChannel,
  type RuntimeOptions,
  type SpawnedCpu,
  type SinkModule,
  type SinkSubbuf,
  type SpawnOptions,
  type SubbufStream,
  type Tenure,
} from '@rchan/relay-node'
export { ChannelConsumer } from '@rchan/relay'
export type {
  ConsumerOptions,
  ConsumerTotals,
  LateSetup,
  LogLevel,
  Machine,
  Relay,
  RelayBuffer,
  RelayCallbacks,
  RelayChannel,
  RelayLimits,
  RelayOptions,
  Subbuf,
} from '@rchan/relay'
export type { BufferMemory, Discarded, Geometry, Mode } from '@rchan/ring'
