/**
 * The entry `rchan/runtime`: threads as CPUs, which a coordinator spawns and retires, and channels
 * that all of them write.
 */
export {
  joinRuntime,
  startRuntime,
  type ChannelSettings,
  type CpuEnd,
  type CpuState,
  type JoinedRuntime,
  type RetireOptions,
  type Runtime,
  type RuntimeChannel,
  type RuntimeOptions,
  type SpawnedCpu,
  type SpawnOptions,
  type Tenure,
} from '@rchan/relay-node'
export type {
  LateSetup,
  LogLevel,
  Machine,
  Relay,
  RelayBuffer,
  RelayCallbacks,
  RelayChannel,
  RelayLimits,
  RelayOptions,
} from '@rchan/relay'
export type { BufferMemory, Discarded, Geometry, Mode } from '@rchan/ring'
