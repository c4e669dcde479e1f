/**
 * What users can import. The lists are here so that a new export is a decision, and what is not in them is free to
 * change: layouts of shared memory, constants of the ABI, what the packages use among themselves.
 */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import ts from 'typescript-5'
import { describe, expect, test } from 'vitest'

interface Names {
  readonly values: string
  readonly types: string
}

const ENTRIES: Readonly<Record<string, Names>> = {
  index: {
    values: 'startRecording tracepoint',
    types: `CpuTotals Discarded Field FieldType FieldTypes FieldValue FieldValues Losses Recording RecordingOptions
      RecordingSettings RecordingSummary RingLosses Schema ThreadTotals Tracepoint`,
  },
  relay: {
    values: `Channel DescriptorPipe FULL GlobalBuffer GlobalReader GlobalWriter MAX_BUFFER_BYTES MAX_CHANNELS MAX_CPUS
      MAX_MEMBERS MAX_RELAY_CPUS MAX_SUBBUFS MAX_WRITERS Reader Relay RelayFile StreamPipe TOO_BIG Writer plainMachine
      spliceToDescriptor spliceToStream threadMachine`,
    types: `BufferMemory ChannelOptions Copy Discarded Extent Geometry GlobalGeometry GlobalSpan GlobalView
      GlobalWriterCallbacks Hole LateSetup LogLevel Machine Mapping Mode Piece Pipe PollState RelayBuffer RelayCallbacks
      RelayChannel RelayLimits RelayOptions Span SpliceResult StreamPipeOptions WriterCallbacks WriterView`,
  },
  sync: {
    values: `Barrier CONDITION_WORDS Condition LATCH_WORDS Latch MAX_BARRIER_COUNT MAX_THREAD_ID MUTEX_WORDS Mutex
      SEMAPHORE_WORDS Semaphore barrierWords`,
    types: 'Arrival LockOptions Locked WaitOptions',
  },
  reader: {
    values: 'ALL_CPUS TraceError openTrace',
    types: `CpuLosses EventClass Field FieldType FieldValue MetadataClock Schema Trace TraceErrorPlace TraceRecord
      TraceStream`,
  },
  ctf: {
    values: `FIELD_TYPE_NAMES MAX_FIELDS MAX_NAME_LENGTH TraceError makeSchema metadataText parseMetadata parseSchema
      schemaText`,
    types: 'EventClass Field FieldType MetadataClock MetadataInput Schema TraceErrorPlace',
  },
}

const requireHere = createRequire(import.meta.url)
const subpathOf = (entry: string): string => (entry === 'index' ? 'rchan' : `rchan/${entry}`)
const sorted = (names: string): string[] => names.split(/\s+/).filter(Boolean).sort()

function declarationOf(entry: string, format: string): string {
  return fileURLToPath(new URL(`../dist/${format}/types/rchan/${entry}.d.ts`, import.meta.url))
}

const files = Object.keys(ENTRIES).map((entry) => declarationOf(entry, 'esm'))
const program = ts.createProgram(files, {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  strict: true,
})
const checker = program.getTypeChecker()

function target(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

function exportsOf(entry: string): Map<string, ts.Symbol> {
  const source = program.getSourceFile(declarationOf(entry, 'esm'))!
  const module = checker.getSymbolAtLocation(source)!
  return new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, target(symbol)]))
}

/** Types of ours that a declaration mentions where users see it, by the place. */
function mentionsOf(symbol: ts.Symbol): { place: string; type: ts.Symbol }[] {
  const found: { place: string; type: ts.Symbol }[] = []
  const visit = (node: ts.Node, place: string): void => {
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
    const own = (node as Partial<ts.NamedDeclaration>).name
    const inner = own !== undefined && ts.isClassElement(node) ? `${place}.${own.getText()}` : place
    ts.forEachChild(node, (child) => visit(child, inner))
  }
  for (const declaration of symbol.declarations ?? []) visit(declaration, symbol.name)
  return found
}

describe.each(Object.entries(ENTRIES))('%s', (entry, names) => {
  test('exports these values, as ESM and as CommonJS', async () => {
    const esm = (await import(subpathOf(entry))) as object
    expect(Object.keys(esm).sort()).toEqual(sorted(names.values))
    expect(Object.keys(requireHere(subpathOf(entry)) as object).sort()).toEqual(sorted(names.values))
  })

  test('exports these types beside them', () => {
    const values = new Set(sorted(names.values))
    const types = [...exportsOf(entry).keys()].filter((name) => !values.has(name))
    expect(types.sort()).toEqual(sorted(names.types))
  })

  test('exports each type that it mentions', () => {
    const exported = exportsOf(entry)
    const known = new Set(exported.values())
    const missing = [...known].flatMap((symbol) =>
      mentionsOf(symbol)
        .filter(({ type }) => !known.has(type))
        .map(({ place, type }) => `${type.name} (of ${place})`),
    )
    expect([...new Set(missing)].sort()).toEqual([])
  })
})

test('what is marked @internal is in no declaration', () => {
  const ours = program.getSourceFiles().filter(({ fileName }) => fileName.includes('/rchan/dist/'))
  expect(ours.length).toBeGreaterThan(Object.keys(ENTRIES).length)
  for (const { text, fileName } of ours) expect(text, fileName).not.toContain('@internal')
})

test('the declarations are without fault, for TypeScript, too', () => {
  const faults = ts.getPreEmitDiagnostics(program).map(({ messageText, file }) => {
    return `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
  expect(faults).toEqual([])
})
