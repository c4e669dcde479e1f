/** HTML as text, in which whatever comes from a trace is escaped. */
import { plainText } from './shown-text.js'

/** Text that is HTML already. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Part = string | number | Markup | Markup[]

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function textOf(part: Part): string {
  if (part instanceof Markup) return part.text
  if (Array.isArray(part)) return part.map(textOf).join('')
  return plainText(String(part)).replaceAll(/[&<>"]/g, (character) => ESCAPES[character])
}

/** Makes HTML of a template: `` html`<p>${name}</p>` ``. */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(
    texts.map((text, index) => text + (index < parts.length ? textOf(parts[index]) : '')).join(''),
  )
}
