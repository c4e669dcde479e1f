import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ARENA, CONTROL, PLACE } from '@rchan/runtime'

/** The words of a picture in the head of a source file: lines of `at type word written-by`. */
function picture(file: string): { name: string; at: number; type: string; place: boolean }[] {
  const text = readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8')
  const words = text.matchAll(/^ \*\s+(\+?)(\d+)\s+((?:[iuf]\d+(?:\[\d+\])?)|…)\s+([a-zA-Z]+)/gm)
  return [...words].map(([, plus, at, type, name]) => ({ name, at: Number(at), type, place: plus === '+' }))
}

function bytesOf(type: string): number {
  const [, bits, count] = /^[iuf](\d+)(?:\[(\d+)\])?$/.exec(type) ?? ['', '0', undefined]
  return (Number(bits) / 8) * Number(count ?? 1)
}

/** Each word stands on a multiple of its element, and none reaches into the next. */
function expectApart(words: readonly { at: number; type: string }[]): void {
  for (const [i, { at, type }] of words.entries()) {
    if (type === '…') continue
    expect(at % bytesOf(type.replace(/\[.*/, '')), `${at} ${type}`).toBe(0)
    if (i + 1 < words.length) expect(at + bytesOf(type), `${at} ${type}`).toBeLessThanOrEqual(words[i + 1].at)
  }
}

test('the control page is what its picture shows', () => {
  const words = picture('control-page.ts').filter(({ place }) => !place)
  expect(Object.fromEntries(words.map(({ name, at }) => [name, at]))).toEqual(CONTROL)
  expectApart(words)
})

test('the arena is what its picture shows', () => {
  const all = picture('arena.ts')
  const head = all.filter(({ place }) => !place)
  const place = all.filter((word) => word.place)
  expect(Object.fromEntries(head.map(({ name, at }) => [name, at]))).toEqual(ARENA)
  expect(Object.fromEntries(place.map(({ name, at }) => [name, at]))).toEqual(PLACE)
  expectApart(head)
  expectApart(place)
})
