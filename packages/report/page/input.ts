/** Mouse, touch, wheel and keys, as what they mean for the timeline. */

/** What a user can ask for. Lengths are pixels of the canvas. */
export interface Actions {
  /** `factor` > 1 shows more. `x`: what stays where it is; the middle if it isn't given. */
  zoom(factor: number, x?: number): void
  /** By a part of what is shown, or by pixels. */
  panPart(part: number): void
  panPixels(pixels: number): void
  /** A wheel was turned that scrolls the page, over the rows. */
  scrollOver(): void
  /** The window is the part of the overview that is shown. */
  areaAt(x: number, y: number): 'plot' | 'axis' | 'overview' | 'window' | 'labels'
  /** Shows the part around a place of the overview. */
  showOverviewAt(x: number): void
  /** Shows what lies between two places of the overview. */
  showBetween(start: number, end: number): void
  /** Moves the window by pixels. */
  moveWindow(pixels: number): void
  choose(x: number, y: number): void
  /** Marks the time between two places. @param isDone whether it stays so. */
  mark(start: number, end: number, isDone: boolean): void
  /** Marks the time of what is chosen, or else all that is shown. */
  markChosen(): void
  /** Fits what is at a place. */
  fitAt(x: number, y: number): void
  search(): void
  help(): void
  hover(x: number, y: number, isOver: boolean): void
  fit(): void
  step(isForward: boolean): void
  stepLane(isDown: boolean): void
  chooseNothing(): void
}

/** A pointer that moved farther than this, in pixels, has not clicked. */
const CLICK = 4
/** A wheel that turns by so many pixels zooms by e. One step is at most a part of that. */
const TURNED = 120
const MOST_TURNED = 0.4
const KEY_ZOOM = 0.7
const KEY_PAN = 0.2

/** Listens. */
export function listen(canvas: HTMLCanvasElement, actions: Actions): void {
  listenToWheel(canvas, actions)
  listenToPointers(canvas, actions)
  document.addEventListener('keydown', (event) => {
    const { target, key } = event
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement) return
    if (target instanceof Element && target.closest('dialog') !== null) return
    const action = keyOf(key, actions)
    // Elsewhere arrows scroll the page.
    if (action === undefined || (key.startsWith('Arrow') && target !== canvas)) return
    event.preventDefault()
    action()
  })
}

function keyOf(key: string, actions: Actions): (() => void) | undefined {
  switch (key.length === 1 ? key.toLowerCase() : key) {
    case 'w':
    case 'ArrowUp':
    case '+':
      return () => actions.zoom(KEY_ZOOM)
    case 's':
    case 'ArrowDown':
    case '-':
      return () => actions.zoom(1 / KEY_ZOOM)
    case 'a':
    case 'ArrowLeft':
      return () => actions.panPart(-KEY_PAN)
    case 'd':
    case 'ArrowRight':
      return () => actions.panPart(KEY_PAN)
    case 'f':
      return () => actions.fit()
    case 'm':
      return () => actions.markChosen()
    case '/':
      return () => actions.search()
    case '?':
      return () => actions.help()
    case 'n':
      return () => actions.step(true)
    case 'p':
      return () => actions.step(false)
    case 'j':
      return () => actions.stepLane(true)
    case 'k':
      return () => actions.stepLane(false)
    case 'Escape':
      return () => actions.chooseNothing()
    default:
      return undefined
  }
}

function listenToWheel(canvas: HTMLCanvasElement, actions: Actions): void {
  const onWheel = (event: WheelEvent): void => {
    if (actions.areaAt(event.offsetX, event.offsetY) === 'labels') return
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 16
    const [x, y] = [event.deltaX * unit, event.deltaY * unit]
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault()
      // Two fingers on a touchpad make small steps, a wheel makes large ones.
      const step = Math.max(-MOST_TURNED, Math.min(MOST_TURNED, y / TURNED))
      actions.zoom(Math.exp(step), event.offsetX)
    } else if (event.shiftKey || Math.abs(x) > Math.abs(y)) {
      event.preventDefault()
      actions.panPixels(x === 0 ? y : x)
    } else actions.scrollOver()
  }
  canvas.addEventListener('wheel', onWheel, { passive: false })
}

function listenToPointers(canvas: HTMLCanvasElement, actions: Actions): void {
  const held = new Map<number, { x: number; y: number }>()
  let moved = 0
  let use: 'pan' | 'mark' | 'overview' | 'window' = 'pan'
  /** Where a mark begins. */
  let start = 0
  canvas.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'mouse' && event.button !== 0) return
    const { offsetX: x, offsetY: y } = event
    canvas.setPointerCapture(event.pointerId)
    held.set(event.pointerId, { x, y })
    moved = 0
    start = x
    const area = actions.areaAt(x, y)
    const isMark = area === 'axis' || (area === 'plot' && event.shiftKey)
    // Two fingers zoom, wherever the first one began.
    if (held.size > 1) use = 'pan'
    else if (area === 'overview' || area === 'window') use = area
    else use = isMark ? 'mark' : 'pan'
  })
  canvas.addEventListener('pointermove', (event) => {
    const { offsetX: x, offsetY: y } = event
    const before = held.get(event.pointerId)
    if (before === undefined) {
      actions.hover(x, y, true)
      return
    }
    actions.hover(x, y, false)
    moved += Math.abs(x - before.x) + Math.abs(y - before.y)
    const widthBefore = widthOf(held)
    held.set(event.pointerId, { x, y })
    if (held.size === 2) {
      const [a, b] = [...held.values()]
      actions.zoom(Math.max(1, widthBefore) / Math.max(1, widthOf(held)), (a.x + b.x) / 2)
    } else if (moved <= CLICK) return
    else if (use === 'mark') actions.mark(start, x, false)
    else if (use === 'overview') actions.showBetween(start, x)
    else if (use === 'window') actions.moveWindow(x - before.x)
    else actions.panPixels(before.x - x)
  })
  const release = (event: PointerEvent): void => {
    const wasHeld = held.delete(event.pointerId)
    if (!wasHeld || held.size > 0) return
    const { offsetX: x, offsetY: y } = event
    if (moved > CLICK) {
      if (use === 'mark') actions.mark(start, x, true)
    } else if (event.type !== 'pointerup') return
    else if (use === 'overview' || use === 'window') actions.showOverviewAt(x)
    else actions.choose(x, y)
  }
  canvas.addEventListener('pointerup', release)
  canvas.addEventListener('pointercancel', release)
  canvas.addEventListener('pointerleave', () => actions.hover(0, 0, false))
  canvas.addEventListener('dblclick', ({ offsetX, offsetY }) => actions.fitAt(offsetX, offsetY))
}

function widthOf(held: ReadonlyMap<number, { readonly x: number }>): number {
  const [a, b] = [...held.values()]
  return b === undefined ? 0 : Math.abs(a.x - b.x)
}
