/** The example of docs/relay.md runs, is short, and prints what the page says. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('a relay channel is used on its own in less than 30 lines that run', () => {
  const page = readFileSync(new URL('../../../docs/relay.md', import.meta.url), 'utf8')
  const block = (language: string): string =>
    new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(page)?.[1] ?? ''
  const code = block('js')
  expect(code.trimEnd().split('\n').length).toBeLessThan(30)
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    encoding: 'utf8',
  })
  expect(output).toBe(block('text'))
})
