/**
 * The entry `rchan/sync`: blocking primitives on shared memory, by which threads sleep and wake
 * each other.
 */
export {
  Barrier,
  barrierWords,
  Condition,
  CONDITION_WORDS,
  Latch,
  LATCH_WORDS,
  MAX_BARRIER_COUNT,
  MAX_THREAD_ID,
  Mutex,
  MUTEX_WORDS,
  Semaphore,
  SEMAPHORE_WORDS,
  type Arrival,
  type Locked,
  type LockOptions,
  type WaitOptions,
} from '@rchan/sync'
