export function bundles(): Promise<{ path: string; text: string }[]>
