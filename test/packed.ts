/** Runs a program in a separate folder, which has rchan as users install it. For tests only. */
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/**
 * Makes a folder with packed packages in `node_modules`, rchan by default, and returns its path,
 * which has a space in it.
 */
export function packedFolder(names: readonly string[] = ['rchan']): string {
  const folder = mkdtempSync(join(tmpdir(), 'rchan packed '))
  for (const name of names) {
    const to = join(folder, 'node_modules', name)
    mkdirSync(to, { recursive: true })
    const from = join(ROOT, 'packages', name.replace('@rchan/', ''))
    const packed = execFileSync('npm', ['pack', from, '--silent', '--ignore-scripts'], {
      cwd: folder,
      encoding: 'utf8',
    })
    execFileSync('tar', ['xzf', packed.trim(), '-C', to, '--strip-components=1'], { cwd: folder })
  }
  return folder
}

/** Lends the folder packages of this repository's. */
export function lend(folder: string, ...names: readonly string[]): void {
  for (const name of names) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), link, 'junction')
  }
}

/** Writes files, by their paths in the folder. */
export function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
}

/** How a program ended, and all that it said. */
export interface Said {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs Node in a folder, without the flags and the settings of the test's own process. */
export async function runNode(folder: string, args: readonly string[]): Promise<Said> {
  const { NODE_OPTIONS: _flags, VITEST: _vitest, NODE_ENV: _mode, ...env } = process.env
  return await new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: folder, env, timeout: 240_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ status, stdout, stderr })
    })
  })
}
