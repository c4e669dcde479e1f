export interface Holds {
  readonly rss: number
  readonly heapUsed: number
  readonly arrayBuffers: number
  readonly listeners: number
  readonly descriptors: number
  readonly threads: number
}
export declare function checkFlat(samples: readonly Holds[], fail: (message: string) => void): string
