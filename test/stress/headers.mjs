/**
 * Self-checking headers of sub-buffers: one pattern from the start of a sub-buffer, and another
 * once it is complete, which contains its end.
 */

/** A writer's callbacks at the start and the end of a sub-buffer. */
export function headerCallbacks(headerBytes) {
  return {
    subbufStart(view, start) {
      for (let i = 0; i < headerBytes; i += 1) view.u8[start + i] = 0xa5 ^ i
    },
    subbufEnd(view, start, end) {
      for (let i = 0; i < headerBytes; i += 1) view.u8[start + i] = completed(i, end - start)
    },
  }
}

/**
 * @throws Error when a complete sub-buffer, whose bytes end at `end`, has not the header that it
 * was given last.
 */
export function checkHeader(bytes, headerBytes, end) {
  for (let i = 0; i < headerBytes; i += 1) {
    if (bytes[i] !== completed(i, end)) {
      throw new Error(
        `the header of a sub-buffer of ${end} bytes has byte[${i}]=${bytes[i]}, not ${completed(i, end)}`,
      )
    }
  }
}

function completed(i, end) {
  return (i * 7 + end) & 0xff
}
