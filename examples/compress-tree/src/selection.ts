/**
 * Selects the files of a folder to work on.
 *
 * Owns the walk. The same folder gives the same files in the same order. Links are not followed.
 * Entries that can't be read are counted and skipped. The walk ends when a limit is reached, so a
 * big folder costs no more.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** A file to compress. */
export interface InputFile {
  /** The path for people: the folder as the user named it, and the path from there. */
  readonly path: string
  /** Absolute. */
  readonly file: string
  /** Size when it was selected. */
  readonly bytes: number
}

/** Limits of a selection. */
export interface Limits {
  readonly maxFiles: number
  readonly maxBytes: number
  /** A bigger file is left out. */
  readonly maxFileBytes: number
}

/** The files, and the counts of those left out. */
export interface Selection {
  readonly files: readonly InputFile[]
  readonly bytes: number
  /** Links, sockets, devices and the like. */
  readonly specialCount: number
  readonly tooBigCount: number
  /** Files and folders. */
  readonly unreadableCount: number
  /** Whether a limit was reached: the folder has more files. */
  readonly cut: boolean
}

/** Limits that keep the demo short. A file is in memory as a whole while it is compressed. */
export const LIMITS: Limits = { maxFiles: 5000, maxBytes: 100e6, maxFileBytes: 10e6 }

/**
 * Selects the files of a folder and the folders in it, in the order of their names.
 *
 * @param shown the folder's name in the paths that people see.
 * @param passOver a folder to skip.
 * @throws Error if the folder itself can't be listed.
 */
export function selectFiles(folder: string, shown: string, limits: Limits, passOver?: string): Selection {
  const files: InputFile[] = []
  let bytes = 0
  let specialCount = 0
  let tooBigCount = 0
  let unreadableCount = 0

  /** @returns whether there is room for more. */
  const take = (file: string, path: string): boolean => {
    let size: number
    try {
      size = lstatSync(file).size
    } catch {
      unreadableCount += 1
      return true
    }
    if (size > limits.maxFileBytes) {
      tooBigCount += 1
      return true
    }
    if (files.length === limits.maxFiles || bytes + size > limits.maxBytes) return false
    files.push({ path, file, bytes: size })
    bytes += size
    return true
  }

  const walk = (entries: ReturnType<typeof list>, parent: string, parentPath: string): boolean => {
    for (const entry of entries) {
      const file = join(parent, entry.name)
      const path = join(parentPath, entry.name)
      if (entry.isFile()) {
        if (!take(file, path)) return false
      } else if (!entry.isDirectory()) {
        specialCount += 1
      } else if (file !== passOver) {
        let inside: ReturnType<typeof list>
        try {
          inside = list(file)
        } catch {
          unreadableCount += 1
          continue
        }
        if (!walk(inside, file, path)) return false
      }
    }
    return true
  }

  const cut = !walk(list(folder), folder, shown)
  return { files, bytes, specialCount, tooBigCount, unreadableCount, cut }
}

/** Returns the content of a folder in the order of code units, which no locale changes. */
function list(folder: string) {
  return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
}
