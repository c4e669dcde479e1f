export interface FillingDisk {
  /** Why there can't be one here; undefined if there can. */
  lacks(): string | undefined
  make(
    home: string,
    random: { whole(least: number, most: number): number },
  ): { readonly folder: string; unmount(): void }
}
export declare const fillingDisk: FillingDisk
