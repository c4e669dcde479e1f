export interface Figures {
  readonly events: number
  readonly lost: number
  readonly attempts: number | undefined
  readonly cut: number
  readonly ageMs: number | undefined
}
export declare const WAYS: Readonly<Record<string, object>>
export declare function lacks(name: string): string | undefined
export declare function die(
  name: string,
  play: {
    readonly seed: number
    readonly parent: string
    readonly readers?: readonly string[]
    readonly way?: object
  },
): Promise<Figures>
