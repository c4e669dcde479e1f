/** A file with next to no code: what the import of any file costs. */
export const nothing = undefined
