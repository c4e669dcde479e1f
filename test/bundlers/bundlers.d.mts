export const BUNDLERS: Readonly<Record<string, (from: string, to: string) => Promise<string>>>
