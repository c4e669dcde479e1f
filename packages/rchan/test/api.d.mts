export function exportsOf(entry: string): string[]
export function missingFrom(entry: string): string[]
export function declarationTexts(): string[]
export function faultsOf(paths: readonly string[], moduleResolution: string, module: string): string[]
