export interface NodeRun {
  readonly version: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly seconds: number
  /** The faults apart from failed tests. */
  readonly problem?: string | undefined
}
export declare const VERSIONS: Readonly<Record<string, string>>
export declare const USAGE: string
export declare function selectVersions(args: readonly string[]): string[]
export declare function packageFor(
  platform: string,
  arch: string,
  isMusl: boolean,
): { name: string; binary: string }
export declare function runLine(run: NodeRun): string
export declare function summary(runs: readonly NodeRun[]): { status: 0 | 1; line: string }
export declare function stuckText(
  seconds: number,
  running: { readonly running: readonly string[] } | undefined,
): string
