/**
 * The program of the consumer thread. It is never imported: `scripts/bundle.mjs` bundles it and
 * everything that it imports into one text, and puts that into `sink-source.js`.
 */
import { runSinkThread } from './sink-thread.js'

void runSinkThread()
