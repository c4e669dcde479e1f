// A sink that adds up the bytes that it gets.
let taken

export function start(init) {
  taken = init
}

export function write({ bytes }) {
  Atomics.add(taken, 0, bytes.length)
}
