/**
 * The short form of `npm run stress`: some rounds of each mode. The head of stress/run.mjs lists
 * the forbidden outcomes.
 */
import { expect, test } from 'vitest'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { misplacedWords, offsetsOf, readPicture } from './picture.js'
import { LIFE } from './stress/life.mjs'
import { MODES } from './stress/modes.mjs'
import { derive, Random } from './stress/random.mjs'
import { runMode } from './stress/rounds.mjs'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)
const SECONDS = 3
/** About the number that an idle machine plays in that time. A busy machine has to play as many. */
const ROUNDS = 3

test.each(MODES)(
  `threads that write, read and die in mode $name show nothing that is forbidden (seed ${SEED})`,
  async (mode) => {
    const { failures, attempted, delivered, overwritten, discarded, torn, traceless, kills } = await runMode(
      mode,
      {
        seconds: SECONDS,
        atLeast: ROUNDS,
        seed: SEED,
        print: (line) => console.log(line),
      },
    )
    expect(failures).toEqual([])
    expect(delivered).toBeGreaterThan(0)
    expect(kills).toBeGreaterThan(0)
    expect(delivered + overwritten + discarded + torn + traceless).toBe(attempted)
  },
)

test('a round in which something forbidden is seen is a failure, with the command that plays it again', async () => {
  const printed: string[] = []
  let rounds = 0
  const report = await runMode(
    {
      name: 'bad',
      about: '',
      round: ({ log, random }) => {
        rounds += 1
        log(`chose ${random.whole(3, 3)}`)
        return Promise.reject(new Error('torn'))
      },
    },
    { seconds: 60, seed: 5, print: (line) => printed.push(line) },
  )
  expect(rounds).toBe(10)
  expect(report.failures).toEqual(printed)
  expect(printed[1]).toContain('FORBIDDEN in mode bad, round 1: torn')
  expect(printed[1]).toContain('npm run stress -- --mode bad --seed 5 --round 1')
  expect(printed[1]).toContain('chose 3')
})

test('a round whose sums are not those of its attempts is a failure', async () => {
  const sums = { attempted: 3, delivered: 1, overwritten: 0, discarded: 0, torn: 0, traceless: 2, kills: 1 }
  const run = async (round: typeof sums): Promise<readonly string[]> =>
    (
      await runMode(
        { name: 'sums', about: '', round: () => Promise.resolve(round) },
        { seconds: 0.001, seed: 5, print: () => undefined },
      )
    ).failures
  expect((await run({ ...sums, attempted: 4 }))[0]).toContain('the books are not exact')
  expect((await run(sums))[0]).toContain('more than one traceless')
  expect(await run({ ...sums, kills: 2 })).toEqual([])
})

test('the same seed makes the same choices, another seed or part others', () => {
  const numbers = (seed: number): number[] => {
    const random = new Random(seed)
    return Array.from({ length: 8 }, () => random.whole(0, 1e9))
  }
  expect(numbers(7)).toEqual(numbers(7))
  expect(numbers(8)).not.toEqual(numbers(7))
  const seeds = [
    derive(1),
    derive(2),
    derive(1, 'a'),
    derive(1, 'a', 0),
    derive(1, 'a', 1),
    derive(1, 'b', 1),
  ]
  expect(new Set(seeds).size).toBe(seeds.length)
})

test('the words that the threads of a round share are those of the picture', () => {
  const { words } = readPicture(new URL('stress/life.mjs', import.meta.url))
  expect(offsetsOf(words)).toEqual(LIFE)
  expect(misplacedWords(words)).toEqual([])
})

test.each([
  ['--seconds', '0'],
  ['--seconds', 'long'],
  ['--seed', '-1'],
  ['--seed', '1.5'],
  ['--mode', 'both'],
  ['--round', '3'],
  ['--speed'],
  ['discard'],
])('the arguments %s %s of the stress test are refused', (...args) => {
  const run = fileURLToPath(new URL('stress/run.mjs', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [run, ...args.filter((arg) => arg !== undefined)], {
    encoding: 'utf8',
  })
  expect(status).toBe(2)
  expect(stderr).toContain('usage: npm run stress')
})
