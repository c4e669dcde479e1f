export const ENTRIES: readonly string[]
export const FORMATS: Readonly<Record<string, string>>
export function bundles(): Promise<{ path: string; text: string }[]>
