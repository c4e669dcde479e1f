export declare const WAYS: readonly string[]
export declare function compare(
  small: number,
  big: number,
  ways: readonly string[],
  tell: (line: string) => void,
): string[]
