// Takes the README's pictures of the demo's report: `npm run demo && npm run picture`. It needs
// chromium. Beside them it writes what they show, so that a test can hold the README to it.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'

const root = fileURLToPath(new URL('..', import.meta.url))
const report = join(root, 'demo-output/report.html')
const SIZE = { width: 1280, height: 900 }

if (!existsSync(report)) {
  console.error(`${report} is missing: run npm run demo first`)
  process.exit(1)
}
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
})
for (const colorScheme of ['light', 'dark']) {
  const page = await browser.newPage({ viewport: SIZE, colorScheme })
  await page.goto(pathToFileURL(report).href)
  await page.waitForFunction(() => performance.getEntriesByName('rchan:drawn').length > 0)
  const { y, height } = await page.locator('#legend').boundingBox()
  const clip = { x: 0, y: 0, width: SIZE.width, height: Math.ceil(y + height + 12) }
  await page.screenshot({ path: join(root, `docs/report-${colorScheme}.png`), clip, fullPage: true })
  if (colorScheme === 'dark') continue
  const shown = await page.evaluate(() => {
    const textsOf = (query) =>
      [...document.querySelectorAll(query)].map((each) => each.textContent.replace(/\s+/g, ' ').trim())
    return {
      title: document.querySelector('h1').textContent,
      findings: textsOf('#findings .claim'),
      threads: textsOf('#threads tbody th').length,
    }
  })
  writeFileSync(join(root, 'docs/report-picture.json'), `${JSON.stringify(shown, undefined, 2)}\n`)
}
await browser.close()
