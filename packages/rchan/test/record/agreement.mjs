/**
 * Compares what a recording says of a program with what others have measured in the same run:
 * piscina, V8 (`--trace-gc`), and the kernel (`process.threadCpuUsage`). For tests, and for `npm
 * run field`.
 */

/** Median, and the one below which nine of ten are; of sizes, so without their signs. */
export function spreadOf(differences) {
  const sizes = differences.map(Math.abs).toSorted((a, b) => a - b)
  return { count: sizes.length, median: sizes[sizes.length >> 1], p90: sizes[Math.floor(sizes.length * 0.9)] }
}

/**
 * Times of tasks by piscina's histograms, in ms: waits in the order in which tasks were dispatched,
 * runs in the order in which they were handled.
 *
 * @returns how much longer they are in the recording, in ms, task by task.
 */
export function differencesFromPiscina(items, { waits, runs }) {
  const begun = new Map()
  const dispatched = new Map()
  const ended = []
  for (const item of items) {
    if (item.event?.name === 'task:begin') begun.set(item.id, item.time)
    if (item.event?.name === 'task:dispatched') dispatched.set(item.fields.id, item.time)
    if (item.event?.name === 'task:end') ended.push([item.id, item.time])
  }
  if (dispatched.size !== waits.length || ended.length !== runs.length) {
    throw new Error(
      `piscina has ${waits.length} waits and ${runs.length} runs, the recording ` +
        `${dispatched.size} and ${ended.length}`,
    )
  }
  return {
    wait: [...dispatched].map(([id, time], n) => msBetween(begun.get(id), time) - waits[n]),
    run: ended.map(([id, time], n) => msBetween(dispatched.get(id), time) - runs[n]),
  }
}

/** The collections that `--trace-gc` has printed, by isolate, in ms; `steps` of marking before. */
export function collectionsIn(output) {
  const line =
    /^\[\d+:(0x[\da-f]+)[^\]]*\] +\d+ ms: ([\w-]+) .*? MB, (?:pooled: \S+ MB, )?([\d.]+) \/ [\d.]+ ms +(?:\(\+ ([\d.]+) ms in)?/gm
  const isolates = new Map()
  for (const [, isolate, kind, duration, steps = '0'] of output.matchAll(line)) {
    if (!isolates.has(isolate)) isolates.set(isolate, [])
    isolates.get(isolate).push({ kind, ms: Number(duration), steps: Number(steps) })
  }
  return [...isolates.values()]
}

/**
 * Collections of a thread in the recording, and those that V8 has told of in one isolate. V8 has
 * more: also from before the recording, and after its end.
 *
 * @returns how much longer they are in the recording, in ms, one by one, where they fit best.
 */
export function differencesFromV8(ours, theirs) {
  return bestOf(windowsOf(theirs, ours.length).map((window) => window.map((ms, n) => ours[n] - ms)))
}

/**
 * The same of a parked thread, of whose collections only the sum is known.
 *
 * @returns how much longer they took together in the recording, in ms, where they fit best. Steps
 * of marking may count or not: the first ones may lie before the recording.
 */
export function differenceFromV8({ collections, ms }, theirs) {
  const sumOf = (values) => values.reduce((sum, value) => sum + value, 0)
  const [difference] = bestOf(
    windowsOf(theirs, collections).map((window) => {
      const least = sumOf(window.map((one) => one.ms))
      const most = least + sumOf(window.map(({ steps }) => steps))
      return [ms - Math.min(Math.max(ms, least), most)]
    }),
  )
  return difference
}

function windowsOf(list, length) {
  return list.slice(0, list.length - length + 1).map((_, from) => list.slice(from, from + length))
}

/** The list of the smallest numbers. */
function bestOf(lists) {
  if (lists.length === 0) throw new Error('the recording has more collections than V8')
  const sizeOf = (list) => list.reduce((sum, value) => sum + Math.abs(value), 0)
  return lists.reduce((best, list) => (sizeOf(list) < sizeOf(best) ? list : best))
}

/** Young generation, on this thread, in ms, in their order. */
export function minorCollectionsOf(items, threadId) {
  return items
    .filter(({ event, thread }) => event?.name === 'gc' && thread.threadId === threadId)
    .filter(({ fields }) => fields.kind === 'minor')
    .toSorted((a, b) => Number(a.start) - Number(b.start))
    .map(({ start, end }) => msBetween(start, end))
}

/** What all collections of a parked thread took together, in ms, and how many there were. */
export function sumsOf(items) {
  const sums = items.filter(({ event }) => event?.name === 'gc:sums')
  return {
    collections: sums.reduce((count, { fields }) => count + fields.collections, 0),
    ms: sums.reduce((total, { fields }) => total + Number(fields.duration) / 1e6, 0),
  }
}

/** Time of tasks on a CPU by their worker's own account, in ms. @returns differences, in ms. */
export function differencesFromUsage(items, used) {
  const runs = items.filter(({ event }) => event?.name === 'task:run')
  return used.map((ms, n) => Number(runs.at(n - used.length).fields.onCpu) / 1e6 - ms)
}

function msBetween(from, to) {
  return (Number(to) - Number(from)) / 1e6
}
