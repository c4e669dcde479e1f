/** Text that is handed on in pieces. */

const PIECE_CHARACTERS = 65_536

/** Collects text until it is worth a piece. */
export class Pieces {
  #text = ''

  add(text: string): void {
    this.#text += text
  }

  /** Whether there is enough for a piece. */
  get isFull(): boolean {
    return this.#text.length >= PIECE_CHARACTERS
  }

  get isEmpty(): boolean {
    return this.#text === ''
  }

  /** Returns a piece, if there is enough for one. */
  takeFull(): string | undefined {
    return this.isFull ? this.take() : undefined
  }

  /** Returns what was collected, and begins anew. */
  take(): string {
    const text = this.#text
    this.#text = ''
    return text
  }
}
