/** What a report has in it. For tests. */
import { inflateRawSync } from 'node:zlib'
import { unpack } from '../dist/columns.js'
import type { PageData } from '../src/page-data.ts'

/** Returns what the page of a report draws. */
export function dataOf(html: string): PageData {
  const [, base64] = /id="data">([^<]+)</.exec(html) ?? []
  return unpack(inflateRawSync(Buffer.from(base64.trim(), 'base64'))) as PageData
}
