/**
 * The files that are parts of one stream: a recorder begins a further file when one is full.
 * Synchronous, any thread. Never writes.
 */
import type { PacketHeader } from './stream.js'
import { TraceError } from './trace-error.js'
import type { TraceSource } from './trace-source.js'

/**
 * Sorts files into streams, and the files of a stream by their packets. Files without a packet are
 * left out.
 *
 * @throws TraceError if a file is no stream of this trace, or two hold the same packets.
 */
export function partsInOrder(
  source: Pick<TraceSource, 'headers' | 'streamKey'>,
  paths: readonly string[],
): string[][] {
  const instances = new Map<string, { readonly path: string; readonly first: PacketHeader }[]>()
  for (const path of paths) {
    const packets = source.headers(path)
    try {
      const first = packets.nextHeader()
      if (first === undefined) continue
      const key = source.streamKey(path, first)
      const parts = instances.get(key) ?? []
      parts.push({ path, first })
      instances.set(key, parts)
    } finally {
      packets.close()
    }
  }
  return [...instances.values()].map((parts) => {
    parts.sort((a, b) => a.first.sequence - b.first.sequence)
    for (let i = 1; i < parts.length; i += 1) {
      if (parts[i].first.sequence !== parts[i - 1].first.sequence) continue
      throw new TraceError(
        parts[i].path,
        `begins with the same packet as ${parts[i - 1].path} (packet_seq_num=${parts[i].first.sequence} of ` +
          `stream_instance_id=${parts[i].first.streamInstanceId}): it is a copy, so remove one of them`,
        { offset: 0 },
      )
    }
    return parts.map(({ path }) => path)
  })
}
