/**
 * The suite *throughput*: recordings and relay channels as programs use them, with all their
 * threads.
 */
import type { Suite } from '../harness.js'
import { drain } from '../drain.js'
import { inUseFile, inUseFirstEvents, inUseFirstLap, inUseGlobal } from './in-use.js'
import { paced } from './paced.js'
import { recordingIdle, recordingStartStop } from './recording.js'
import { wakeAsleep, wakeAwake } from './wake.js'
import { writers } from './writers.js'

export const throughput: readonly Suite[] = [
  writers,
  paced,
  { ...drain, name: 'throughput' },
  wakeAsleep,
  wakeAwake,
  inUseFile,
  inUseGlobal,
  inUseFirstLap,
  inUseFirstEvents,
  recordingStartStop,
  recordingIdle,
]
