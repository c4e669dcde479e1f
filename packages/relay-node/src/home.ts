/**
 * What the threads of a runtime know of it: its memory, and by which name they send each other
 * word. Workers inherit it through the environment data, and so do their workers.
 */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'
import { TABLE_ABI } from './cpu-table.js'

const KEY = `rchan:runtime:${TABLE_ABI}`

/** What a worker inherits. */
export interface Home {
  readonly relay: SharedArrayBuffer
  readonly table: SharedArrayBuffer
  /** Name of the broadcast channel on which threads come, leave and are asked to retire. */
  readonly channel: string
  /** The CPU that is reserved for the worker that is started just now; −1 for any other thread. */
  readonly cpu: number
  readonly generation: number
}

/** A message on the broadcast channel. */
export type Word =
  | { readonly kind: 'joined' | 'left' | 'retire'; readonly cpu: number; readonly generation: number }
  | { readonly kind: 'failed'; readonly cpu: number; readonly generation: number; readonly message: string }

/** The runtime of this process, as this thread inherited it. */
export function inheritedHome(): Home | undefined {
  const home = getEnvironmentData(KEY) as unknown as Partial<Home> | undefined
  return typeof home?.channel === 'string' ? (home as Home) : undefined
}

/** Coordinator: what workers that are started from here on inherit. */
export function bequeath(home: Home | undefined): void {
  setEnvironmentData(KEY, home)
}
