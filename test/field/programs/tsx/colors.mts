export enum Color {
  Red,
  Blue,
}

export function nameOf(color: Color): string {
  return Color[color]
}
