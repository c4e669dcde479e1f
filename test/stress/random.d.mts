export declare function mix(value: number): number
export declare function derive(seed: number, ...parts: readonly (string | number)[]): number
export declare class Random {
  constructor(seed: number)
  next(): number
  whole(least: number, most: number): number
  scaled(least: number, most: number): number
  chance(probability: number): boolean
  pick<T>(choices: readonly T[]): T
}
