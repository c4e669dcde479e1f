/**
 * The shared memory of a relay: the list of channels, the threads that take part, and the pages of
 * all buffers. It is one memory of fixed length, so any thread finds everything in it, and nothing
 * has to be sent.
 *
 * ```text
 *      at  type     word               written by
 *       0  u32      magic              creator      'rchR'
 *       4  u32      abi                creator
 *       8  u32      possibleCpus       creator
 *      12  u32      pageCount          creator      pages of 4096 bytes, this head included
 *      16  i32      fileThread         creator      member that runs the file callbacks
 *      20  i32      orphanFiles        locked       1: a thread died with the lock, and may have
 *                                                   left files; set atomically
 *      24  u32      wantsMappingCalls  creator      1: a file callback wants to hear of mappings
 *      64  i32      listLock           sync         the lock over the list of channels
 *      80  i32      channels           locked       channels opened so far; the newest has the
 *                                                   highest number
 *      84  i32      members            any thread   threads that have joined so far, counted
 *                                                   atomically
 *     128  i32      request            upcall       see upcall.ts
 *     132  i32      rings              upcall
 *     136  i32      call               upcall
 *     140  i32      callSlot           upcall
 *     144  u32      callPage           upcall
 *     148  i32      answer             upcall
 *     152  u32      textBytes          upcall
 *     156  u8[1024] text               upcall
 *    1280  …        members            each member  16 bytes for each thread that takes part:
 *      +0  i32      member             each member  its number, never used again; 0: free;
 *                                                   negative: a thread is just joining
 *      +4  i32      identity           each member  the machine's name of the thread
 *      +8  f64      startTicks         each member  when it started, where the name needs that
 *    2304  i32[256] cpus               locked       the member that is this CPU; 0: offline
 *    3328  i32[64]  bells              any thread   a count for each entry of `members`, see bells.ts
 *    4096  …        slots              locked       4096 bytes for each channel:
 *      +0  i32      state              locked       see below
 *      +4  i32      id                 locked       number of the channel
 *      +8  u32[4]   geometry           locked       subbufSize, subbufCount, mode (1: overwrite),
 *                                                   headerBytes
 *     +24  i32      flags              locked
 *     +28  u32      lastTooBig         writers      length of the last record that was too big
 *     +32  i32      opener             locked       member that opened it
 *     +36  u32[3]   textBytes          locked       of base name, parent and module; in `texts` the
 *                                                   module comes first
 *     +48  u32      pendingPage        locked       where a buffer is being laid out; 0: nowhere
 *     +64  i32[64]  holds              each member  what this member still uses of it: buffers it
 *                                                   writes, open files, mappings
 *    +320  u32[256] pages              locked       first page of each CPU's buffer; 0: none. The
 *                                                   last store that makes one
 *   +1344  u8[2752] texts              locked
 *  266240  …        buffers            relay        on pages; see buffer-head.ts
 * ```
 *
 * `locked` is the thread that holds the list's lock. If it dies, the next one repairs what it left
 * (`Channels`, `#repair`). A slot's states:
 *
 * ```text
 *          open begins              open is done             close                   nobody holds it: zeroed
 *   free ──────────────▶ opening ──────────────▶ open ──────────────▶ closed ──────────────────────────▶ free
 *                           └──────── open failed, or its thread died ────▲
 * ```
 *
 * A member that takes a hold of a channel first counts up its `holds`, then looks at `state` and
 * `id`. A thread that frees the slot first stores `state`, then looks at all `holds`. Both are
 * sequentially consistent, so one of them sees the other: no memory is used again under a thread
 * that still has it. The holds of a dead member count for nothing.
 */

/** Byte offsets in the memory of a relay. A test holds them to the picture above. */
export const RELAY = {
  magic: 0,
  abi: 4,
  possibleCpus: 8,
  pageCount: 12,
  fileThread: 16,
  orphanFiles: 20,
  wantsMappingCalls: 24,
  listLock: 64,
  channels: 80,
  members: 84,
  request: 128,
  rings: 132,
  call: 136,
  callSlot: 140,
  callPage: 144,
  answer: 148,
  textBytes: 152,
  text: 156,
  memberTable: 1280,
  cpus: 2304,
  bells: 3328,
  slots: 4096,
  buffers: 266240,
} as const
/** Byte offsets in a slot. */
export const SLOT = {
  state: 0,
  id: 4,
  geometry: 8,
  flags: 24,
  lastTooBig: 28,
  opener: 32,
  textBytes: 36,
  pendingPage: 48,
  holds: 64,
  pages: 320,
  texts: 1344,
} as const
/** States of a slot. */
export const CHANNEL_STATE = { free: 0, opening: 1, open: 2, closed: 3 } as const
/** Bits of a slot's `flags`. */
export const FLAG = {
  hasBaseFilename: 1,
  isGlobal: 2,
  startsByFunction: 4,
  wantsMappingCalls: 8,
  locksWrites: 16,
} as const

/** Bytes of an entry of the table of members, of a slot, and of the texts in it. */
export const MEMBER_BYTES = 16
export const SLOT_BYTES = 4096
export const TEXTS_BYTES = 2752
/** The most threads that take part at once. */
export const MAX_MEMBERS = 64
/** The most channels, open or closed but still in use. */
export const MAX_CHANNELS = 64
/** The most CPUs. */
export const MAX_RELAY_CPUS = 256
/** Bytes of a text that a call to the file thread passes on. */
export const CALL_TEXT_BYTES = 1024
