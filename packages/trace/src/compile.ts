/**
 * Functions made from source text. Facades are, and encoders. On every thread that declares a
 * tracepoint.
 */
import { CODE_FUNCTIONS } from '@rchan/ctf'
import { builtins } from '@rchan/runtime/declaring'

// Taken at load time: programs that harden themselves replace or forbid it later.
const Compiler = Function
const StackError = RangeError

/**
 * Makes a function from its source. The source finds what it uses in `env`.
 *
 * @returns the function; undefined if the program forbids it.
 */
export function compile(source: string, env: object): unknown {
  try {
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- see the head
    const make = new Compiler('env', source) as (env: object) => unknown
    return make({ ...env, ...CODE_FUNCTIONS })
  } catch (error) {
    throwIfFull(error)
    return undefined
  }
}

/**
 * Throws a full-stack error on, because it is the program's own. Any other error means that code
 * from text is forbidden.
 */
export function throwIfFull(error: unknown): void {
  if (error instanceof StackError && error.message === 'Maximum call stack size exceeded') throw error
}

/**
 * Runs a text as the body of a function: code that is a text until it is needed (see
 * `scripts/bundles.mjs`).
 *
 * @param given what the text finds as `given`.
 * @returns what it returns.
 * @throws RangeError when the stack is full.
 */
export function runText(text: string, given: object): unknown {
  let run: (given: object) => unknown
  try {
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- the text is ours
    run = new Compiler('given', text) as typeof run
  } catch (error) {
    throwIfFull(error)
    // The program forbids code from texts. That does not reach this function, which makes one of
    // Node's own realm. So it comes second.
    run = builtins.vm().compileFunction(text, ['given']) as typeof run
  }
  return run(given)
}
