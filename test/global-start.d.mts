import type { GlobalBuffer, GlobalGeometry } from '@rchan/ring'

export declare function startFrom(geometry: GlobalGeometry, started: number, committed: number): GlobalBuffer
