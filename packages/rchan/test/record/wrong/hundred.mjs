// Forks many children, eight at a time, which end at once. Arguments: how many, or `child`.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const [, , what] = process.argv
if (what !== 'child') {
  let left = Number(what)
  const codes = new Set()
  const next = async () => {
    while (left > 0) {
      left -= 1
      const child = fork(fileURLToPath(import.meta.url), ['child'])
      codes.add(await new Promise((done) => child.once('exit', done)))
    }
  }
  await Promise.all(Array.from({ length: 8 }, next))
  console.log([...codes].join())
}
