/**
 * The text of `sink-program`, bundled. Made by `scripts/bundle.mjs` in `dist`; the compiler never
 * writes it.
 */
export const sinkSource: string
