/** The entry `rchan/export`: a trace as other programs want it. */
export {
  FORMATS,
  toChrome,
  toCsv,
  toJsonLines,
  toPerfetto,
  type Format,
  type FormatDescription,
} from '@rchan/export'
export type * from './items.js'
