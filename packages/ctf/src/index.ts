/**
 * `@rchan/ctf`: the Common Trace Format 1.8 as rchan writes it.
 *
 * Every thread that traces loads this entry, so it stays small and imports nothing of Node. The
 * reader is a separate entry: `@rchan/ctf/reader`.
 */
export {
  LEVELS,
  SYSTEM_FIELDS,
  baseNameOf,
  checkedSchema,
  makeSchema,
  parseSchema,
  schemaText,
  type EventClass,
  type Kind,
  type Level,
  type Schema,
  type SchemaOptions,
} from './schema.js'
export {
  FIELD_TYPE_NAMES,
  MAX_FIELDS,
  MAX_NAME_LENGTH,
  t,
  typeText,
  typeWords,
  type Field,
  type FieldType,
  type FieldTypeName,
  type FieldTypeNode,
  type FieldTypeValues,
  type FieldValuesOf,
  type NumberTypeName,
  type Numbers,
  type StructTypes,
  type Typed,
  type TypeOptions,
  type ValueOf,
  type WordType,
} from './types.js'
export {
  EVENT_CPU_OFFSET,
  EVENT_HEADER_BYTES,
  EVENT_ID_OFFSET,
  EVENT_THREAD_OFFSET,
  RECORD_ALIGN_BYTES,
  align,
  layoutRecord,
  recordEnd,
  type PlacedField,
  type RecordLayout,
} from './record.js'
export { CODE_FUNCTIONS, asI64, asU64 } from './field-functions.js'
export {
  FIELD_TYPES,
  MISFIT,
  TOO_BIG,
  numberViews,
  type FieldDescriptor,
  type FieldFunctions,
  type FieldMemory,
} from './field-types.js'
export { capture, fieldType } from './composite-types.js'
export { matchesPattern } from './patterns.js'
export { PACKET, PACKET_HEADER_BYTES, PACKET_MAGIC, loadU64, storeSizes, storeU64 } from './packet.js'
export { threadNumber, threadRanges, type ThreadRange } from './thread-names.js'
export { metadataText, parseUuid, type MetadataClock, type MetadataInput } from './metadata.js'
export { factsText, type CutFact, type ThreadFact, type TraceFacts } from './facts.js'
