export {
  ChannelConsumer,
  type ConsumerOptions,
  type ConsumerTotals,
  type Subbuf,
} from './channel-consumer.js'
export { Relay, type RelayLimits } from './relay.js'
export { plainMachine, type LogLevel, type Machine } from './machine.js'
export type { RelayBuffer } from './relay-buffer.js'
export type { RelayCallbacks } from './callbacks.js'
export type { RelayChannel } from './relay-channel.js'
export type { LateSetup, RelayOptions } from './options.js'
export { RelayFile, type Copy, type Mapping, type PollState } from './file.js'
export { type Piece, type Pipe, type SpliceResult } from './pieces.js'
export { MAX_CHANNELS, MAX_MEMBERS, MAX_RELAY_CPUS } from './layout.js'
