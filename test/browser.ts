/** A browser for tests, Debian's chromium, and a server for the files that it opens. */
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { needReader, readerPath } from './readers.js'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
}

/**
 * Opens a page. It is closed when the test is over. Without a browser the test is skipped, as by
 * `needReader`.
 *
 * @param errors gets the page's errors.
 */
export async function openPage(
  context: { skip(note?: string): void },
  errors: string[],
  size = { width: 1200, height: 600 },
): Promise<Page> {
  needReader(context, 'chromium')
  const browser = await chromium.launch({
    executablePath: readerPath('chromium'),
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })
  onTestFinished(() => browser.close())
  const page = await browser.newPage({ viewport: size })
  page.on('pageerror', ({ message }) => errors.push(message))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  return page
}

/** Serves a folder, and some texts beside it. @returns the address, without a slash at its end. */
export async function serve(folder: string, texts: Readonly<Record<string, string>> = {}): Promise<string> {
  const server = createServer(({ url = '/' }, response) => {
    const { pathname } = new URL(url, 'http://localhost')
    const file = join(folder, pathname === '/' ? 'index.html' : pathname)
    const text = texts[pathname.slice(1)]
    if (text === undefined && !existsSync(file)) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' })
    response.end(text ?? readFileSync(file))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
