/** What threads sleep and wake by: blocking primitives on shared memory. */
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
