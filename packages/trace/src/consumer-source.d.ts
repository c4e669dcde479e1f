/**
 * The text of `consumer-program`, bundled. Made by `scripts/bundle.mjs` in `dist`; the compiler
 * never writes it.
 */
export const consumerSource: string
