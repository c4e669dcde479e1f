import type { GlobalBuffer, GlobalGeometry } from '@rchan/relay'

export declare function startFrom(geometry: GlobalGeometry, started: number, committed: number): GlobalBuffer
