/** What `rchan/auto` loads in each thread. It is no entry. */
import { createRequire } from 'node:module'
import { recordThisProgram, type ProbesCode, type StartNow } from '@rchan/probes/auto'

const load = createRequire(import.meta.url)
recordThisProgram({
  loadStart() {
    // First, so that the thread's state is that of this file: it keeps to the built-ins of now.
    load('./index.js')
    return (load('./recording.js') as { startNow: StartNow }).startNow
  },
  loadProbes: () => load('./probing.js') as ProbesCode,
})
