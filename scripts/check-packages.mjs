// Checks what would be published: publint on each package's files, arethetypeswrong on its packed archive.
// One kind of finding is meant: CommonJS resolves to ESM, which Node can `require` from 20.19 on (a test does).
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const root = fileURLToPath(new URL('..', import.meta.url))
let failed = 0
for (const name of readdirSync(join(root, 'packages'))) {
  const pkgDir = join(root, 'packages', name)
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
      '--profile',
      'node16',
      '--ignore-rules',
      'cjs-resolves-to-esm',
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
