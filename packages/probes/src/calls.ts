/** Tasks that are calls of a function by its name: what such pools post to a worker and back. */
import type { Envelope } from './envelope.js'

/** A call on its way to a worker. */
export interface Call {
  /** What its reply has, too; undefined where the worker has one task at a time. */
  readonly key: unknown
  readonly name: string
  readonly args: unknown
  /** When it was submitted, if it says so. */
  readonly timestamp?: unknown
}

/** A reply on its way back. */
export interface Reply {
  readonly key: unknown
  readonly hasFailed: boolean
}

/** The messages of a library's pools. */
export interface CallFormat {
  /** What its pools are called. */
  readonly kind: string
  /** How many levels of the arguments belong to the library and the program: see `task-size.ts`. */
  readonly depth: number
  /** Returns a message as a call, if it may be one. */
  callIn(message: object): Call | undefined
  /** Returns a message as a reply, if it may be one. */
  replyIn(message: object): Reply | undefined
}

/** A message that is a call, whose it is, and where the task's number goes. */
export interface PostedCall {
  readonly call: Call
  readonly format: CallFormat
  readonly envelope: Envelope
}

/** Returns a message as a call of one of these libraries. */
export function callIn(formats: readonly CallFormat[], message: unknown): PostedCall | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  for (const format of formats) {
    const call = format.callIn(message)
    if (call !== undefined) return { call, format, envelope: message }
  }
  return undefined
}

/** Returns a message as a reply of one of these libraries. */
export function replyIn(formats: readonly CallFormat[], message: unknown): Reply | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  for (const format of formats) {
    const reply = format.replyIn(message)
    if (reply !== undefined) return reply
  }
  return undefined
}
