/**
 * The Common Trace Format 1.8 as rchan writes it. Makes and parses the schema of an event and the
 * metadata of a trace.
 */
export {
  FIELD_TYPE_NAMES,
  makeSchema,
  MAX_FIELDS,
  MAX_NAME_LENGTH,
  metadataText,
  parseSchema,
  schemaText,
  type EventClass,
  type Field,
  type FieldType,
  type FieldTypeValues,
  type MetadataClock,
  type MetadataInput,
  type Schema,
  type ThreadRange,
} from '@rchan/ctf'
export { parseMetadata, TraceError, type TraceErrorPlace } from '@rchan/ctf/reader'
