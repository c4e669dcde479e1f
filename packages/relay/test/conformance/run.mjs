/**
 * Runs all conformance vectors of a folder: `npm run conformance -- FOLDER`.
 *
 * Exit status: 0 when none failed and some passed, 1 when not, 2 when the folder can't be read.
 */
import { basename, resolve } from 'node:path'
import { readScenario, reasonToSkip, runScenario, scenarioFiles } from './scenario.mjs'

/** Runs a folder. @returns the exit status. */
function runFolder(folder) {
  let passed = 0
  let failed = 0
  let skipped = 0
  for (const file of scenarioFiles(folder)) {
    let failure
    try {
      const scenario = readScenario(file)
      if (reasonToSkip(scenario) !== undefined) {
        skipped += 1
        continue
      }
      failure = runScenario(scenario)
    } catch (error) {
      failure = [error.message]
    }
    if (failure.length === 0) {
      passed += 1
      continue
    }
    failed += 1
    console.log(`FAILED ${basename(file)}`)
    for (const line of failure) console.log(`  ${line}`)
  }
  if (passed + failed + skipped === 0)
    console.error(`conformance: no scenario (*.json, *.json.gz) in ${folder}`)
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  return failed === 0 && passed > 0 ? 0 : 1
}

const [folder, ...others] = process.argv.slice(2)
if (folder === undefined || folder.startsWith('-') || others.length > 0) {
  console.error('usage: npm run conformance -- FOLDER')
  process.exitCode = folder === '--help' ? 0 : 2
} else {
  // npm changes to the root of the project: a relative folder is meant from where it was called.
  const path = resolve(process.env.INIT_CWD ?? '.', folder)
  try {
    process.exitCode = runFolder(path)
  } catch (error) {
    console.error(`conformance: can't read the folder ${path}: ${error.message}`)
    process.exitCode = 2
  }
}
