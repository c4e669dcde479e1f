import type { GlobalSpan } from '@rchan/ring'

export interface GlobalRecord {
  readonly writer: number
  readonly number: number
  readonly time: number
}
export declare const MIN_GLOBAL_BYTES: 16
export declare function fillGlobal<A extends Uint8Array>(
  bytes: A,
  writer: number,
  number: number,
  time: number,
): A
export declare function walkGlobal(
  span: Pick<GlobalSpan, 'bytes' | 'from' | 'end' | 'holes'>,
  unitBytes: number,
): GlobalRecord[]
