/**
 * Stores a number into the first word of each page, one after the other, in plain stores of 8, 4 or
 * 1 bytes. `done` becomes 1 in the end.
 */
import { workerData } from 'node:worker_threads'

const { memory, pageBytes, rounds, width, turn, done } = workerData
const u8 = new Uint8Array(memory)
const u32 = new Uint32Array(memory)
const f64 = new Float64Array(memory)

for (let round = 1; round <= rounds; round += 1) {
  // The toucher has zeroed the memory.
  while (Atomics.load(turn, 0) !== round);
  for (let at = 0; at < memory.byteLength; at += pageBytes) {
    if (width === 8) f64[at >> 3] = Math.PI
    else if (width === 4) u32[at >> 2] = 0x01020304
    else for (let byte = 0; byte < 4; byte += 1) u8[at + byte] = byte + 1
  }
  Atomics.store(done, 0, round)
}
