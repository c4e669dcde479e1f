/**
 * The program of the consumer thread: runtime's loop, with the trace's format and with a folder as
 * the sink. It is never imported: `scripts/bundle.mjs` bundles it and everything that it imports
 * into one text, and puts that into `consumer-source.js`.
 */
import { runConsumer } from '@rchan/runtime/consumer-thread'
import { FileSink } from '@rchan/runtime/file-sink'
import { createFormat } from './ctf-format.js'

runConsumer(createFormat, (init) => new FileSink(init as string))
