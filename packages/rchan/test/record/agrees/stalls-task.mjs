const [REPLIED, BEGUN, GO] = [0, 1, 2]

/** Stands still for some time, if it is told to. Its flags say how far it has come. */
export default function task({ flags, waits = false, standMs = 0 }) {
  if (flags !== undefined) {
    // The reply is posted before.
    setImmediate(() => Atomics.store(flags, REPLIED, 1))
    Atomics.store(flags, BEGUN, 1)
    if (waits) while (Atomics.load(flags, GO) === 0);
  }
  const end = performance.now() + standMs
  while (performance.now() < end);
}
