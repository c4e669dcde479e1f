export interface SoakRun {
  readonly name: string
  readonly count: number
  readonly about: string
  run(
    this: void,
    context: {
      readonly count: number
      readonly seed: number
      readonly folder: string
      progress(done: number, of?: number): void
      fail(message: string): void
    },
  ): Promise<string>
}
export declare const RUNS: readonly SoakRun[]
