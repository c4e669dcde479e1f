/**
 * A worker that damages shared memory, a word at a time, and then does everything with it that
 * readers do. Nothing may hang. Every error must name the place and the value, as `name=value`.
 *
 * workerData: URL of the module with the subject, its name, a seed, `from`: the first case, and
 * `progress`: memory for the case under way, how many there are, the steps done so far, and the
 * step under way. Posts each fault: { index, text }.
 */
import { parentPort, workerData } from 'node:worker_threads'

const { module, subject, seed, from } = workerData
const progress = new Int32Array(workerData.progress)
const { subjects } = await import(module)

let state = seed
/** Numbers from a seed, 32 bits. */
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state
}

const { make, use } = subjects[subject]
const VALUES = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 2]
const { words: all } = make()
const cases = []
for (const word of all) for (const value of [...VALUES, random() | 0]) cases.push({ word, value, also: 0 })
// Several at once.
for (let i = 0; i < 400; i += 1) {
  cases.push({ word: all[random() % all.length], value: random() | 0, also: 1 + (random() % 4) })
}
progress[1] = cases.length

for (let index = from; index < cases.length; index += 1) {
  const { word, value, also } = cases[index]
  const made = make()
  const words = new Int32Array(made.memory)
  words[word] = value
  const changed = [`${word}=${value}`]
  // The same in each run from the same seed, wherever it starts.
  state = (seed + index * 2654435761) >>> 0
  for (let i = 0; i < also; i += 1) {
    const other = all[random() % all.length]
    const to = random() % 2 === 0 ? VALUES[random() % VALUES.length] : random() | 0
    words[other] = to
    changed.push(`${other}=${to}`)
  }
  for (const [at, [name, step]] of Object.entries(use(made)).entries()) {
    Atomics.store(progress, 0, index)
    Atomics.add(progress, 2, 1)
    progress[3] = at
    try {
      step()
    } catch (error) {
      const text = `${error?.name}: ${error?.message}`
      if (
        error?.name !== 'TypeError' &&
        /=|holds the|has ended|was closed|was freed|did not answer|are kept/.test(text)
      )
        continue
      parentPort.postMessage({ index, text: `word ${changed.join(', ')}: ${name}: ${error?.stack ?? text}` })
    }
  }
}
Atomics.store(progress, 0, cases.length)
