/**
 * The names that users can import. With these lists a new export is a decision. Everything else is
 * free to change: layouts of shared memory, constants of the ABI, names that only our packages use.
 */
import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import { declarationTexts, exportsOf, missingFrom } from './api.mjs'

interface Names {
  readonly values: string
  readonly types: string
}

/** What a trace says, item by item. */
const ITEMS = `AsyncItem CounterItem DecodedValue EventClass EventItem Field FieldType FieldTypeName FieldTypeNode FieldTypeValues
  FlowItem GapItem ItemFields ItemOptions ItemSource Kind Level LossItem NumberTypeName Outcome RecordedItem Schema SpanItem ThreadItem TraceItem
  TraceProcess TraceThread TypeOptions`

const ENTRIES: Readonly<Record<string, Names>> = {
  index: {
    values:
      'asyncSpan counter currentRecording flow nameThread now requestSnapshot span startRecording t tracepoint watchEventLoop whileRecording',
    types: `AsyncSpan AsyncSpanFields CallFields Clock Counter CounterType CpuTotals CurrentRecording Discarded EventLoopOptions EventRule EventRules Fate Field FieldType FieldTypeName FieldTypeNode FieldTypeValues
      FieldTypes FieldValue FieldValues FilesOptions FlightOptions FlightRecording FlightSettings FlightSummary Flow FlowId Kind KindOptions NoFields Level LossReport Losses MemoryOptions
      FieldValuesOf NotTaken NumberTypeName Numbers OwnCounts Recording RecordingOptions RecordingSettings RecordingSummary RequestedSnapshot RingLosses Schema
      Snapshot SnapshotLimits SnapshotOn SnapshotOptions SnapshotRequestOptions SnapshotThread SnapshotsSummary ThreadLosses
      ThreadTotals Tracepoint TracepointOptions Trigger TypeOptions Typed Span SpanOptions SpanRest SpanToken StructTypes ValueOf WordType`,
  },
  relay: {
    values: `Channel ChannelConsumer ConsumerThread DescriptorPipe FULL GlobalBuffer GlobalReader GlobalWriter MAX_BUFFER_BYTES MAX_CHANNELS MAX_CPUS
      MAX_MEMBERS MAX_RELAY_CPUS MAX_SUBBUFS MAX_WRITERS Reader Relay RelayFile StreamPipe SubbufStream TOO_BIG Writer
      consume plainMachine setUpFiles spliceToDescriptor spliceToStream startConsumer threadMachine`,
    types: `BufferMemory ChannelOptions ConsumeOptions ConsumerOptions ConsumerThreadOptions ConsumerTotals Copy Discarded Extent Geometry GlobalGeometry GlobalSpan GlobalView
      GlobalWriterCallbacks Hole LateFilesOptions LateSetup LogLevel Machine Mapping Mode Piece Pipe PollState ReaderOptions RelayBuffer RelayCallbacks
      RelayChannel RelayLimits RelayOptions SinkModule SinkSubbuf Span SpliceResult
      StreamPipeOptions Subbuf WriterCallbacks WriterView`,
  },
  runtime: {
    values: 'ChannelConsumer joinRuntime startRuntime',
    types: `BufferMemory ChannelSettings ConsumeOptions ConsumerOptions ConsumerThread ConsumerThreadOptions ConsumerTotals CpuEnd
      CpuState Discarded Geometry JoinedRuntime LateFilesOptions LateSetup LogLevel Machine
      Mode Relay RelayBuffer RelayCallbacks RelayChannel RelayLimits RelayOptions RetireOptions
      Runtime RuntimeChannel RuntimeConsumerOptions RuntimeOptions SinkModule SinkSubbuf SpawnOptions SpawnedCpu
      Subbuf SubbufStream Tenure`,
  },
  sync: {
    values: `Barrier CONDITION_WORDS Condition LATCH_WORDS Latch MAX_BARRIER_COUNT MAX_THREAD_ID MUTEX_WORDS Mutex
      SEMAPHORE_WORDS Semaphore barrierWords`,
    types: 'Arrival LockOptions Locked WaitOptions',
  },
  reader: {
    values: 'ALL_CPUS TraceError findTraces openTrace openTraces recoverTrace',
    types: `AsyncItem CounterItem EventItem FlowItem FollowOptions FollowSource GapItem ItemFields ItemOptions ItemSource LossItem Outcome RecordedItem RecoverOptions RecoveredStream SpanItem ThreadItem TraceItem
      TraceProcess TraceSet TraceThread CpuLosses CutFact ThreadFact TraceFacts DecodedValue EventClass Field FieldType FieldTypeName FieldTypeNode FieldTypeValues Kind Level MetadataClock NumberTypeName Schema Trace TraceErrorPlace TraceRecord
      TraceStream TypeOptions`,
  },
  analysis: {
    // `commandText` and `durationText` are the command's.
    values: `Analysis FINDING_IDS QUANTILE_ERROR Sketch Summing analyse commandText durationText modelJson modelText summarize summaryText
      wholeSpans`,
    types: `AnalysisOptions Backlog Bin CpusUsed Crew CrewWorker Distribution Evidence FieldSummary Finding HotFunction IoUse Late Model ModelLosses Parts Pool PoolSpan PoolWorker
      ProcessUse Quantiles QueuePoint Route Sampled SampledTask Shares Stall StartedProcess Summary Task ThreadSummary ThreadUse TracepointKind
      TracepointSummary Traffic WholeSpan ${ITEMS}`,
  },
  export: {
    values: 'FORMATS followCsv followJsonLines toChrome toCsv toJsonLines toPerfetto toSpeedscope toSvg',
    types: `Conversion FollowOptions FollowSource Format FormatDescription SvgOptions ${ITEMS}`,
  },
  report: {
    // `Report` is the command's.
    values: 'Report toReport',
    types: `ReportOptions ${ITEMS}`,
  },
  probes: {
    values: 'PROBES probes',
    types: 'ProbeChoice ProbeDescription',
  },
  ctf: {
    values: `FIELD_TYPE_NAMES MAX_FIELDS MAX_NAME_LENGTH TraceError makeSchema metadataText parseMetadata parseSchema
      schemaText t`,
    types: `EventClass Field FieldType FieldTypeName FieldTypeNode FieldTypeValues Kind Level MetadataClock MetadataInput
      FieldValuesOf NumberTypeName Numbers Schema SchemaOptions StructTypes ThreadRange TraceErrorPlace TypeOptions Typed ValueOf WordType`,
  },
}

const requireHere = createRequire(import.meta.url)
const subpathOf = (entry: string): string => (entry === 'index' ? 'rchan' : `rchan/${entry}`)
const sorted = (names: string): string[] => names.split(/\s+/).filter(Boolean).sort()

describe.each(Object.entries(ENTRIES))('%s', (entry, names) => {
  test('exports these values, as ESM and as CommonJS', async () => {
    const esm = (await import(subpathOf(entry))) as object
    expect(Object.keys(esm).sort()).toEqual(sorted(names.values))
    expect(Object.keys(requireHere(subpathOf(entry)) as object).sort()).toEqual(sorted(names.values))
  })

  test('exports these types beside them', () => {
    const values = new Set(sorted(names.values))
    const types = exportsOf(entry).filter((name) => !values.has(name))
    expect(types).toEqual(sorted(names.types))
  })

  test('exports each type that it mentions', () => {
    expect(missingFrom(entry)).toEqual([])
  })
})

test('what is marked @internal is in no declaration', () => {
  const texts = declarationTexts()
  expect(texts.length).toBeGreaterThan(Object.keys(ENTRIES).length)
  for (const text of texts) expect(text).not.toContain('@internal')
})
