/** Draws texts and arrows. Lengths are pixels. */
export const FONT = 'system-ui, sans-serif'

/** Draws on a canvas. */
export class Pen {
  readonly context: CanvasRenderingContext2D

  constructor(context: CanvasRenderingContext2D) {
    this.context = context
  }

  /** @param most its width; a longer one is cut. */
  text(text: string, x: number, y: number, color: string, size = 12, most?: number): void {
    const context = this.context
    context.font = `${size}px ${FONT}`
    context.fillStyle = color
    context.fillText(most === undefined ? text : this.cut(text, most), x, y)
  }

  /** Cuts a text to a width. */
  cut(text: string, most: number): string {
    const context = this.context
    if (context.measureText(text).width <= most) return text
    let low = 0
    let high = text.length
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (context.measureText(`${text.slice(0, middle)}…`).width <= most) low = middle
      else high = middle - 1
    }
    return low === 0 ? '' : `${text.slice(0, low)}…`
  }

  /** A dashed line from left to right. */
  dashes(from: number, to: number, y: number, color: string): void {
    const { context } = this
    context.strokeStyle = color
    context.lineWidth = 1.5
    context.setLineDash([3, 3])
    context.beginPath()
    context.moveTo(from, y)
    context.lineTo(to, y)
    context.stroke()
    context.setLineDash([])
  }

  arrow(startX: number, startY: number, endX: number, endY: number, color: string): void {
    const { context } = this
    const bend = Math.max(12, Math.abs(endX - startX) / 2)
    context.strokeStyle = context.fillStyle = color
    context.lineWidth = 1.5
    context.beginPath()
    context.moveTo(startX, startY)
    context.bezierCurveTo(startX + bend, startY, endX - bend, endY, endX, endY)
    context.stroke()
    context.beginPath()
    context.moveTo(endX, endY)
    context.lineTo(endX - 6, endY - 3.5)
    context.lineTo(endX - 6, endY + 3.5)
    context.fill()
  }
}
