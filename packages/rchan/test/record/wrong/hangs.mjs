// Never gets back to its event loop.
import { writeSync } from 'node:fs'

setTimeout(() => {
  writeSync(1, 'hangs\n')
  for (;;);
}, 50)
