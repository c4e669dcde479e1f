export const TYPESCRIPT: string
