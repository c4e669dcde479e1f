/** The entry `rchan/export`: a trace as other programs want it. */
export {
  followCsv,
  followJsonLines,
  FORMATS,
  toChrome,
  toCsv,
  toJsonLines,
  toPerfetto,
  toSpeedscope,
  toSvg,
  type Conversion,
  type Format,
  type FormatDescription,
  type SvgOptions,
} from '@rchan/export'
export type { FollowOptions, FollowSource } from '@rchan/ctf/reader'
export type * from './items.js'
