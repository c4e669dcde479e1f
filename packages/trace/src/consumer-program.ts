/**
 * The program of the consumer thread: runtime's loop with the trace's format and a folder for a
 * sink. Never imported: `scripts/bundle.mjs` makes one text of it and of all that it imports, and
 * puts that into `consumer-source.js`.
 */
import { runConsumer } from '@rchan/runtime/consumer-thread'
import { FileSink } from '@rchan/runtime/file-sink'
import { createFormat } from './ctf-format.js'

runConsumer(createFormat, (init) => new FileSink(init as string))
