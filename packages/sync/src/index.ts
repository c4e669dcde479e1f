export { Doorbell, DOORBELL_WORDS, type Awakening } from './doorbell.js'
export { raise, waitAtLeast } from './progress.js'
