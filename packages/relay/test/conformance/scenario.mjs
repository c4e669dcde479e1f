/** Runs one scenario of the conformance vectors, and finds the scenarios of a folder. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Machine } from './machine.mjs'
import { perform } from './operations.mjs'
import { applyPatch, differences, stateOf } from './state.mjs'

const FEATURES = new Set(['copy_fault', 'fail_alloc'])

/** The scenario files of a folder, by name: `*.json` and `*.json.gz`. */
export function scenarioFiles(folder) {
  return readdirSync(folder)
    .filter((file) => /\.json(?:\.gz)?$/.test(file))
    .sort()
    .map((file) => join(folder, file))
}

/** Reads a scenario. @throws Error with the file's name when it is none. */
export function readScenario(file) {
  try {
    const bytes = readFileSync(file)
    const scenario = JSON.parse(String(file.endsWith('.gz') ? gunzipSync(bytes) : bytes))
    if (!Array.isArray(scenario?.ops) || scenario.expect?.length !== scenario.ops.length) {
      throw new Error('no ops with as many expectations')
    }
    return scenario
  } catch (error) {
    throw new Error(`${file} is no scenario: ${error.message}`, { cause: error })
  }
}

/**
 * Why a scenario is left out: it shows a memory bug of the kernel, or needs what we lack; undefined
 * if it is not.
 */
export function reasonToSkip(scenario) {
  if (scenario.kernel_bug !== undefined) return `kernel bug: ${scenario.kernel_bug}`
  const lacking = (scenario.needs ?? []).filter((feature) => !FEATURES.has(feature))
  return lacking.length > 0 ? `needs ${lacking.join(', ')}` : undefined
}

/**
 * Runs a scenario up to its first difference. @returns the failure as lines; empty if there is
 * none.
 */
export function runScenario(scenario) {
  const machine = new Machine()
  let state = {}
  for (const [index, operation] of scenario.ops.entries()) {
    const { state: patch = {}, kernel_bugs: _remarks, ...expected } = scenario.expect[index]
    state = applyPatch(state, patch)
    machine.log = []
    machine.printk = []
    const found = []
    try {
      const result = perform(machine, operation)
      if (machine.log.length > 0) result.log = machine.log
      if (machine.printk.length > 0) result.printk = machine.printk.map(withoutRemark)
      if (expected.printk !== undefined) expected.printk = expected.printk.map(withoutRemark)
      found.push(...differences(expected, result), ...differences(state, stateOf(machine), 'state'))
    } catch (error) {
      found.push(error.stack)
    }
    if (found.length > 0) {
      return [`operation ${index}: ${JSON.stringify(operation)}`, ...found.map((line) => `  ${line}`)]
    }
  }
  return []
}

/** The text of a failed consistency check is not compared. */
function withoutRemark(message) {
  return message.startsWith('<warn>') ? '<warn>' : message
}
