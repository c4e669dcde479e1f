/**
 * What a reader of Perfetto's format makes of a file: written for tests, from the meaning of the
 * fields. It sorts packets by time, as Perfetto's processor does, and then pairs begins and ends.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

export const PROTO = fileURLToPath(new URL('perfetto.proto', import.meta.url))

/** A decoded message: fields by name; 64-bit numbers as texts. */
export type Message = Record<string, any>

const type = protobuf.parse(readFileSync(PROTO, 'utf8'), { keepCase: true }).root.lookupType('Trace')

/** Decodes a file by protobufjs. */
export function decode(bytes: Uint8Array): Message[] {
  const { packet = [] } = type.toObject(type.decode(bytes), { longs: String, enums: String, arrays: false })
  return packet as Message[]
}

export interface Slice {
  readonly name: string
  readonly track: string
  readonly start: bigint
  end: bigint | undefined
  readonly depth: number
  readonly categories: readonly string[]
  args: Record<string, unknown>
}

export interface Model {
  readonly slices: Slice[]
  readonly instants: (Slice & { readonly flows: string[]; readonly ends: string[] })[]
  readonly counters: { readonly track: string; readonly time: bigint; readonly value: number | string }[]
  /** Names of tracks, with those of their parents: `process/thread/lane`. */
  readonly tracks: Map<string, string>
  readonly descriptors: Message[]
  readonly dropped: number
}

interface SequenceState {
  names: Map<string, string>
  categories: Map<string, string>
  annotations: Map<string, string>
  track: string | undefined
  clock: number | undefined
}

/** Reads a file as a viewer does. @throws if a packet needs what it doesn't have. */
export function read(bytes: Uint8Array): Model {
  const sequences = new Map<number, SequenceState>()
  const descriptors: Message[] = []
  const events: { time: bigint; order: number; event: Message; state: SequenceState }[] = []
  let dropped = 0
  for (const packet of decode(bytes)) {
    const id = packet.trusted_packet_sequence_id as number
    if (packet.previous_packet_dropped === true) {
      dropped += 1
      sequences.delete(id)
    }
    if ((packet.sequence_flags & 1) === 1) {
      const defaults = packet.trace_packet_defaults as Message
      sequences.set(id, {
        names: new Map(),
        categories: new Map(),
        annotations: new Map(),
        track: defaults.track_event_defaults.track_uuid,
        clock: defaults.timestamp_clock_id,
      })
    }
    if (packet.track_descriptor !== undefined) descriptors.push(packet.track_descriptor as Message)
    const state = sequences.get(id)
    for (const [kind, map] of [
      ['event_names', state?.names],
      ['event_categories', state?.categories],
      ['debug_annotation_names', state?.annotations],
    ] as const) {
      for (const { iid, name } of packet.interned_data?.[kind] ?? []) {
        if (map?.has(iid) === true) throw new Error(`${kind} ${iid} is interned twice`)
        map?.set(iid, name)
      }
    }
    if (packet.track_event === undefined) continue
    if (packet.sequence_flags !== 2 || state === undefined) throw new Error('the packet has no state')
    if (state.clock !== 3) throw new Error('the clock is not the monotonic one')
    events.push({
      time: BigInt(packet.timestamp as string),
      order: events.length,
      event: packet.track_event as Message,
      // Names are looked up now: a later packet may clear the state.
      state: {
        ...state,
        names: new Map(state.names),
        categories: new Map(state.categories),
        annotations: new Map(state.annotations),
      },
    })
  }
  events.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : a.order - b.order))
  const tracks = tracksOf(descriptors)
  const model: Model = { slices: [], instants: [], counters: [], tracks, descriptors, dropped }
  const stacks = new Map<string, Slice[]>()
  for (const { time, event, state } of events) {
    const track = String(event.track_uuid ?? state.track)
    if (!tracks.has(track)) throw new Error(`track ${track} has no descriptor`)
    const stack = stacks.get(track) ?? []
    stacks.set(track, stack)
    const args = Object.fromEntries(
      (event.debug_annotations ?? []).map((annotation: Message) => [
        known(state.annotations, annotation.name_iid),
        valueOf(annotation, state),
      ]),
    ) as Record<string, unknown>
    if (event.type === 'TYPE_SLICE_END') {
      const slice = stack.pop()
      if (slice === undefined) throw new Error(`an end on ${tracks.get(track)} ends nothing`)
      if (event.name_iid !== undefined || event.category_iids !== undefined)
        throw new Error('an end has a name')
      slice.end = time
      slice.args = { ...slice.args, ...args }
      continue
    }
    if (event.type === 'TYPE_COUNTER') {
      const value = event.counter_value ?? event.double_counter_value
      model.counters.push({ track: tracks.get(track) ?? '', time, value })
      continue
    }
    const slice: Slice = {
      name: known(state.names, event.name_iid),
      track: tracks.get(track) ?? '',
      start: time,
      end: undefined,
      depth: stack.length,
      categories: (event.category_iids ?? []).map((iid: string) => known(state.categories, iid)),
      args,
    }
    if (event.type === 'TYPE_INSTANT') {
      const flows = event.flow_ids ?? []
      const ends = event.terminating_flow_ids ?? []
      model.instants.push({ ...slice, end: time, flows, ends })
    } else {
      stack.push(slice)
      model.slices.push(slice)
    }
  }
  for (const [track, stack] of stacks) {
    if (stack.length > 0) throw new Error(`${stack[0].name} on ${tracks.get(track)} has no end`)
  }
  return model
}

function known(map: Map<string, string>, iid: string): string {
  const text = map.get(iid)
  if (text === undefined) throw new Error(`iid ${iid} is not interned`)
  return text
}

function valueOf(annotation: Message, state: SequenceState): unknown {
  const { name_iid: _, dict_entries: entries, array_values: values, ...value } = annotation
  if (entries !== undefined) {
    return Object.fromEntries(
      entries.map((entry: Message) => [known(state.annotations, entry.name_iid), valueOf(entry, state)]),
    )
  }
  if (values !== undefined) return values.map((entry: Message) => valueOf(entry, state))
  const found = Object.entries(value)
  return found.length === 0 ? undefined : { [found[0][0].replace('_value', '')]: found[0][1] }
}

function tracksOf(descriptors: readonly Message[]): Map<string, string> {
  const tracks = new Map<string, string>()
  for (const { uuid, parent_uuid: parent, name, process, thread } of descriptors) {
    const own = name ?? thread?.thread_name ?? process?.process_name
    if (parent !== undefined && !tracks.has(parent)) throw new Error(`${own} comes before its parent`)
    tracks.set(uuid, parent === undefined ? own : `${tracks.get(parent)}/${own}`)
  }
  return tracks
}
