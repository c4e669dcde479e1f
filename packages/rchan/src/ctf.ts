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
  t,
  type EventClass,
  type Field,
  type FieldType,
  type FieldTypeName,
  type FieldTypeNode,
  type FieldTypeValues,
  type Kind,
  type Level,
  type MetadataClock,
  type MetadataInput,
  type FieldValuesOf,
  type NumberTypeName,
  type Numbers,
  type StructTypes,
  type WordType,
  type Schema,
  type SchemaOptions,
  type ThreadRange,
  type Typed,
  type TypeOptions,
  type ValueOf,
} from '@rchan/ctf'
export { parseMetadata, TraceError, type TraceErrorPlace } from '@rchan/ctf/reader'
