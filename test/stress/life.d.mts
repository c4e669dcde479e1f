/** Byte offsets of the words of a life. A test holds them to the picture in life.mjs. */
export declare const LIFE: Readonly<Record<string, number>>
