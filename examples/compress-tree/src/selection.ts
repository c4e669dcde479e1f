/**
 * Which files of a folder are worked on.
 *
 * Owns the walk. The same folder gives the same files in the same order. Links are not followed,
 * what can't be looked at is counted and passed over, and the walk ends where the limits are
 * reached: a big folder costs no more.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** A file to compress. */
export interface InputFile {
  /** The folder as the user named it, and the way from there. */
  readonly path: string
  /** Absolute. */
  readonly file: string
  /** When it was looked at. */
  readonly bytes: number
}

/** Where a selection ends. */
export interface Limits {
  readonly maxFiles: number
  readonly maxBytes: number
  /** A bigger file is left out. */
  readonly maxFileBytes: number
}

/** The files, and what was left out. */
export interface Selection {
  readonly files: readonly InputFile[]
  readonly bytes: number
  /** Links, sockets, devices and the like. */
  readonly specialCount: number
  readonly tooBigCount: number
  /** Files and folders. */
  readonly unreadableCount: number
  /** A limit was reached: the folder holds more. */
  readonly cut: boolean
}

/** What keeps the demo short. A file is in memory as a whole while it is compressed. */
export const LIMITS: Limits = { maxFiles: 5000, maxBytes: 100e6, maxFileBytes: 10e6 }

/**
 * Selects the files of a folder and the folders in it, in the order of their names.
 *
 * @param shown the folder's name in the paths that people see.
 * @param passOver a folder that is not looked into: the output's.
 * @throws Error when the folder itself can't be listed.
 */
export function selectFiles(folder: string, shown: string, limits: Limits, passOver: string): Selection {
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

/** What a folder holds, in the order of code units, which no locale changes. */
function list(folder: string) {
  return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
}
