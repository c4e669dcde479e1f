const word = new Int32Array(new SharedArrayBuffer(4))
let sum = 0

// The same work each time, however long it takes.
module.exports = (what) => {
  if (what === 'sleep') Atomics.wait(word, 0, 0, 0.5)
  else for (let count = 0; count < 80_000; count += 1) sum = (sum * 31 + count) | 0
  return sum & 1
}
