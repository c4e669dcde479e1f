export declare const MIN_RECORD_BYTES: 6
export declare function fillRecord<A extends Uint8Array>(bytes: A, number: number): A
export declare function makeRecord(length: number, number: number): Uint8Array
export declare function walkRecords(bytes: Uint8Array, from: number, end: number): number[]
export declare function checkRecord(bytes: Uint8Array, at: number, length: number, number: number): void
