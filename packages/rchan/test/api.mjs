// The published declarations of rchan, as a user's compiler reads them. For tests only.
import { fileURLToPath } from 'node:url'
import { ENTRIES } from '../../../scripts/bundles.mjs'
import { ts } from '../../../scripts/typescript-api.mjs'

function declarationOf(entry, format) {
  return fileURLToPath(new URL(`../dist/${format}/types/rchan/${entry}.d.ts`, import.meta.url))
}

const files = ENTRIES.map((entry) => declarationOf(entry, 'esm'))
const program = ts.createProgram(files, {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  strict: true,
})
const checker = program.getTypeChecker()

function target(symbol) {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

function symbolsOf(entry) {
  const source = program.getSourceFile(declarationOf(entry, 'esm'))
  const module = checker.getSymbolAtLocation(source)
  return new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, target(symbol)]))
}

/** Types of ours that a declaration mentions where users see it, by the place. */
function mentionsOf(symbol) {
  const found = []
  const visit = (node, place) => {
    const isPrivate =
      ts.canHaveModifiers(node) &&
      ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)
    if (isPrivate === true) return
    const name = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isExpressionWithTypeArguments(node)
        ? node.expression
        : undefined
    const at = name === undefined ? undefined : checker.getSymbolAtLocation(name)
    if (at !== undefined) {
      const type = target(at)
      const isOurs = type.declarations?.some((declaration) => {
        return declaration.getSourceFile().fileName.includes('/rchan/dist/')
      })
      if (isOurs === true && !(type.flags & ts.SymbolFlags.TypeParameter)) found.push({ place, type })
    }
    const own = node.name
    const inner = own !== undefined && ts.isClassElement(node) ? `${place}.${own.getText()}` : place
    ts.forEachChild(node, (child) => visit(child, inner))
  }
  for (const declaration of symbol.declarations ?? []) visit(declaration, symbol.name)
  return found
}

/** The names that an entry exports, values and types. */
export function exportsOf(entry) {
  const names = [...symbolsOf(entry)].map(([name]) => String(name))
  return names.sort()
}

/** Types of ours that the exports of an entry mention, and that it does not export. */
export function missingFrom(entry) {
  const known = new Set(symbolsOf(entry).values())
  const missing = [...known].flatMap((symbol) =>
    mentionsOf(symbol)
      .filter(({ type }) => !known.has(type))
      .map(({ place, type }) => `${type.name} (of ${place})`),
  )
  return [...new Set(missing)].sort()
}

/** The texts of all declarations that the entries reach. */
export function declarationTexts() {
  const ours = program.getSourceFiles().filter(({ fileName }) => fileName.includes('/rchan/dist/'))
  return ours.map(({ text }) => text)
}

/**
 * Returns the errors that this compiler finds in programs. It is older than 5.7, so it skips the
 * declarations: their typed arrays name the kind of their memory.
 */
export function faultsOf(paths, moduleResolution, module) {
  const { options, errors } = ts.convertCompilerOptionsFromJson(
    {
      moduleResolution,
      module,
      target: 'es2022',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node'],
    },
    process.cwd(),
  )
  const found = ts.createProgram(paths, { ...options, typeRoots: [TYPE_ROOT] })
  return [...errors, ...ts.getPreEmitDiagnostics(found)].map(({ messageText, file }) => {
    return `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
}

const TYPE_ROOT = fileURLToPath(new URL('../../../node_modules/@types', import.meta.url))
