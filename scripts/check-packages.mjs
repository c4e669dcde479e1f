// Checks the packages that would be published: publint on their files, arethetypeswrong on their
// packed archives. Every finding is an error. Private packages are not published: rchan's files
// contain the code that it needs of them.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const root = fileURLToPath(new URL('..', import.meta.url))
let failed = 0
for (const name of readdirSync(join(root, 'packages'))) {
  const pkgDir = join(root, 'packages', name)
  if (JSON.parse(readFileSync(join(pkgDir, 'package.json'), 'utf8')).private === true) continue
  const { messages, pkg } = await publint({ pkgDir, level: 'suggestion', strict: true })
  for (const message of messages) {
    failed += 1
    console.error(`${name}: ${formatMessage(message, pkg)}`)
  }
  if (!existsSync(join(pkgDir, 'LICENSE'))) {
    failed += 1
    console.error(`${name}: no LICENSE, which would not be published then`)
  }
  const attw = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js'),
      '--pack',
      pkgDir,
      '--format',
      'ascii',
      '--no-color',
      '--no-emoji',
    ],
    { encoding: 'utf8' },
  )
  if (attw.status !== 0) {
    failed += 1
    console.error(`${name}: arethetypeswrong ended with ${attw.status}\n${attw.stdout}${attw.stderr}`)
  }
  console.log(`${pkg.name}: checked`)
}
process.exitCode = failed === 0 ? 0 : 1
