/**
 * The README and the pages of docs/ as data: their sections, blocks of code, links.
 *
 * For tests that compare a page with the facts.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** A fenced block of code. */
export interface Block {
  readonly language: string
  readonly code: string
}

/** A page, by its path from the project's folder. */
export interface Page {
  readonly path: string
  readonly text: string
  readonly blocks: readonly Block[]
}

/** A program of a page, and its output. */
export interface Program {
  readonly path: string
  readonly code: string
  readonly prints: string
}

export function readPage(path: string): Page {
  const text = readFileSync(join(ROOT, path), 'utf8')
  return { path, text, blocks: blocksOf(text) }
}

/** README.md, ARCHITECTURE.md and the others beside it, and those of docs/. */
export function readPages(): Page[] {
  const markdown = (folder: string): string[] =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name))
  return [...markdown('.'), ...markdown('docs')].map(readPage)
}

export function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language, code]) => ({ language, code }))
}

/**
 * Returns the text under a heading, up to the next heading of the same rank.
 * @throws Error if there is no such heading.
 */
export function sectionOf({ path, text }: Page, heading: string): string {
  const parts = text.split(/^## /m)
  const part = parts.find((section) => section.startsWith(`${heading}\n`))
  if (part === undefined) throw new Error(`${path} has no section "${heading}"`)
  return part
}

/** The programs of a page: a block of JavaScript that the next block tells the output of. */
export function programsOf({ path, blocks }: Page): Program[] {
  return blocks.flatMap(({ language, code }, index) =>
    language === 'js' && code.includes('import ') && blocks[index + 1]?.language === 'text'
      ? [{ path, code, prints: blocks[index + 1].code }]
      : [],
  )
}

/** The name of a heading in a link, as GitHub makes it. */
export function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
