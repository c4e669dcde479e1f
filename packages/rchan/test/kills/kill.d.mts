export declare function killOne(kill: {
  readonly parent: string
  readonly options: object
  readonly delayMs: number
  readonly babeltrace?: boolean
}): Promise<{
  readonly events: number
  readonly files: number
  readonly problem: string | undefined
  readonly path: string
}>
