/** The control page of the process, as the calling thread sees it. Made at the import. */
import { ControlPage, RUNTIME_ABI } from './control-page.js'
import { thisProcess } from './process.js'

const HERE = Symbol.for(`rchan.control.${RUNTIME_ABI}`)

/** One for each thread, not for each copy of this module; see {@link controlOfThread}. */
export const thisControl: ControlPage = controlOfThread()

/**
 * Finds or makes it. It is kept on the process object, which all realms of a thread share: a test
 * runner that makes a `vm` context for each file has one `globalThis` for each. Where it can't be
 * kept or found there (jest gives each context a copy of the object), each copy of this module has
 * an object of its own, over the same page if the environment data have it.
 */
function controlOfThread(): ControlPage {
  const holder = thisProcess as unknown as Record<symbol, ControlPage | undefined>
  const found = holder[HERE]
  if (found !== undefined) return found
  const control = ControlPage.ofProcess()
  Reflect.defineProperty(holder, HERE, { value: control })
  return control
}
