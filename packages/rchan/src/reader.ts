/** The entry `rchan/reader`: reads the traces that rchan writes. */
export {
  ALL_CPUS,
  openTrace,
  TraceError,
  type CpuLosses,
  type EventClass,
  type Field,
  type FieldType,
  type FieldTypeValues,
  type DecodedValue,
  type MetadataClock,
  type Schema,
  type Trace,
  type TraceErrorPlace,
  type TraceRecord,
  type TraceStream,
} from '@rchan/ctf/reader'
