/** The script of the page. */
import { unpack } from '../src/columns.js'
import type { PageData } from '../src/page-data.js'
import { colorsOf } from './colors.js'
import { showDetail, showFinding, showRange } from './detail.js'
import { hit, linesOf, wordsAt } from './hit.js'
import { listen } from './input.js'
import { LaneSteps } from './lane-steps.js'
import { HEAD, Layout, OVERVIEW, type Row } from './layout.js'
import { showNames } from './legend.js'
import { Painter } from './paint.js'
import type { Range } from './range.js'
import type { Pointed } from './scene.js'
import { NOTHING, Search, type Chosen } from './selection.js'
import { makeSortable } from './tables.js'
import { Timeline } from './timeline.js'
import { View } from './view.js'

/** What is drawn at least of the rows, in pixels. */
const LEAST_HEIGHT = 200
/** Pixels of rows that are seen when a part of the time was marked. */
const LEAST_SEEN = 120
/** How near a pointer has to be, in pixels. */
const NEAR = 3
const TOOLTIP_OFFSET = 14
/** How long it is said how to zoom. */
const HINT_MS = 2500
/** More of a canvas a browser may not draw; paper doesn't need more. */
const MOST_PRINTED = 16_000
const MOST_PIXELS = 64e6
/** A task is shown with at most so many times its way from the queue to its end. */
const QUEUE_SHOWN = 8

function byId(id: string): HTMLElement {
  return document.getElementById(id) as HTMLElement
}

async function readData(): Promise<PageData> {
  const base64 = byId('data').textContent
  const text = atob(base64)
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index)
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'))
  return unpack(new Uint8Array(await new Response(stream).arrayBuffer())) as PageData
}

/** What in the address leads to something. */
function addressOf({ slice, task, event, thread }: Chosen): string {
  if (slice >= 0) return `#slice=${slice}`
  if (task >= 0) return `#task=${task}`
  if (event >= 0) return `#event=${event}`
  return thread >= 0 ? `#thread=${thread}` : '#'
}

/** The address leads back to what is chosen. A page in a frame may have none. */
function setAddress(address: string): void {
  if (address === '#' && location.hash === '') return
  try {
    history.replaceState(null, '', address)
  } catch {
    // Then it doesn't.
  }
}

class Page {
  readonly #timeline: Timeline
  readonly #layout: Layout
  readonly #view: View
  readonly #search: Search
  readonly #lanes: LaneSteps
  readonly #painter: Painter
  readonly #canvas = byId('timeline') as HTMLCanvasElement
  readonly #frame = byId('frame')
  readonly #detail = byId('detail')
  readonly #tooltip = this.#frame.appendChild(document.createElement('div'))
  readonly #hint = this.#frame.appendChild(document.createElement('div'))
  #colors = colorsOf(document.documentElement)
  #chosen: Chosen = NOTHING
  /** What a user has marked, or the finding is about whose link was followed. */
  #marked: Range | undefined
  #pointed: Pointed | undefined
  /** Whether it was said already how to zoom. */
  #isTold = false
  /** Where steps from lane to lane stay, in ns. */
  #column: number | undefined
  #isAsked = false
  #isPrinting = false

  constructor(data: PageData) {
    this.#timeline = new Timeline(data)
    this.#layout = new Layout(this.#timeline)
    this.#view = new View(data.from, data.to)
    this.#search = new Search(this.#timeline)
    this.#lanes = new LaneSteps(this.#timeline)
    this.#painter = new Painter(this.#canvas.getContext('2d', { alpha: false }) as CanvasRenderingContext2D)
    this.#tooltip.id = 'tooltip'
    this.#tooltip.hidden = true
    this.#hint.id = 'zoom-hint'
    this.#hint.hidden = true
    this.#hint.textContent = 'To zoom, hold Ctrl or ⌘ and turn the wheel.'
    this.#frame.style.height = `${this.#layout.height}px`
    showNames(byId('legend'), this.#timeline)
    this.#listen()
    this.#choose(NOTHING, false)
    this.#follow(location.hash)
  }

  get #width(): number {
    return this.#frame.clientWidth
  }

  get #height(): number {
    const { height } = this.#layout
    if (this.#isPrinting) return Math.min(height, MOST_PRINTED)
    return Math.min(height, Math.max(LEAST_HEIGHT, innerHeight))
  }

  /** The width of the labels. */
  get #left(): number {
    return this.#painter.labelsWidth(this.#timeline, this.#layout, this.#width)
  }

  /** How far the rows are scrolled: the canvas sticks to the window while the page goes on. */
  get #scrolled(): number {
    if (this.#isPrinting) return 0
    const most = this.#layout.height - this.#height
    return Math.max(0, Math.min(most, -this.#frame.getBoundingClientRect().top))
  }

  #listen(): void {
    const left = (): number => this.#left
    const plot = (): number => Math.max(1, this.#width - left())
    const timeAt = (x: number): number => this.#view.from + ((x - left()) / plot()) * this.#view.span
    const hitAt = (x: number, y: number): Chosen => {
      const slack = (NEAR / plot()) * this.#view.span
      return y < HEAD ? NOTHING : hit(this.#timeline, this.#layout, timeAt(x), y + this.#scrolled, slack)
    }
    const { data } = this.#timeline
    /** In the overview. */
    const perPixel = (): number => (data.to - data.from) / plot()
    const timeOfAll = (x: number): number => data.from + (x - left()) * perPixel()
    /** A time of the recording. */
    const within = (time: number): number => Math.max(data.from, Math.min(data.to, time))
    listen(this.#canvas, {
      zoom: (factor, x) => {
        this.#isTold = true
        const middle = (this.#view.from + this.#view.to) / 2
        this.#change(() => this.#view.zoom(factor, x === undefined ? middle : timeAt(x)))
      },
      panPart: (part) => this.#change(() => this.#view.pan(part * this.#view.span)),
      panPixels: (pixels) => this.#change(() => this.#view.pan((pixels / plot()) * this.#view.span)),
      scrollOver: () => this.#tellZoom(),
      areaAt: (x, y) => {
        if (x < left()) return 'labels'
        if (y >= OVERVIEW) return y < HEAD ? 'axis' : 'plot'
        const slack = NEAR * perPixel()
        const { from, to, isAll } = this.#view
        const time = timeOfAll(x)
        return !isAll && time > from - slack && time < to + slack ? 'window' : 'overview'
      },
      showOverviewAt: (x) =>
        this.#change(() => {
          const middle = timeOfAll(x)
          this.#view.show(middle - this.#view.span / 2, middle + this.#view.span / 2)
        }),
      showBetween: (start, end) =>
        this.#change(() =>
          this.#view.show(within(timeOfAll(Math.min(start, end))), within(timeOfAll(Math.max(start, end)))),
        ),
      moveWindow: (pixels) => this.#change(() => this.#view.pan(pixels * perPixel())),
      choose: (x, y) => {
        const row = x < left() && y > HEAD ? this.#layout.at(y + this.#scrolled) : undefined
        this.#choose(row?.kind === 'thread' ? { ...NOTHING, thread: row.place } : hitAt(x, y))
      },
      mark: (start, end, isDone) => {
        const [from, to] = [within(timeAt(Math.min(start, end))), within(timeAt(Math.max(start, end)))]
        if (to > from) this.#markRange({ from, to }, isDone)
      },
      markChosen: () => {
        const { slice } = this.#chosen
        const { from, to } = this.#view
        const [start, end] = slice < 0 ? [from, to] : [data.slices.start[slice], this.#timeline.ends[slice]]
        if (end > start) this.#markRange({ from: start, to: end }, true)
      },
      fitAt: (x, y) => {
        const time = timeAt(x)
        const { slice } = hitAt(x, y)
        if (slice >= 0) this.#fitOrAll({ from: data.slices.start[slice], to: this.#timeline.ends[slice] })
        else if (this.#marked !== undefined && time > this.#marked.from && time < this.#marked.to)
          this.#fitOrAll(this.#marked)
      },
      search: () => byId('search').focus(),
      help: () => this.#help(),
      hover: (x, y, isOver) => {
        const isOn = isOver && y > HEAD
        const isPlot = isOn && x >= left()
        const slack = (NEAR / plot()) * this.#view.span
        const said = isPlot
          ? wordsAt(this.#timeline, this.#layout, timeAt(x), y + this.#scrolled, slack)
          : isOn
            ? this.#labelAt(y)
            : ''
        const over = isPlot ? hitAt(x, y) : NOTHING
        this.#point(isOver && x >= left() && y >= OVERVIEW ? { x, slice: over.slice } : undefined)
        this.#hover(over, said, x, y)
        if (isOver && y >= OVERVIEW && y < HEAD && x >= left()) this.#canvas.style.cursor = 'col-resize'
      },
      fit: () => this.#fit(),
      step: (isForward) => this.#step(isForward),
      stepLane: (isDown) => this.#stepLane(isDown),
      chooseNothing: () => this.#choose(NOTHING, true),
    })
    byId('in').addEventListener('click', () =>
      this.#change(() => this.#view.zoom(0.5, (this.#view.from + this.#view.to) / 2)),
    )
    byId('out').addEventListener('click', () =>
      this.#change(() => this.#view.zoom(2, (this.#view.from + this.#view.to) / 2)),
    )
    byId('fit').addEventListener('click', () => this.#fit())
    byId('help').addEventListener('click', () => this.#help())
    this.#listenToSearch()
    const redraw = (): void => this.#ask()
    addEventListener('scroll', redraw, { passive: true })
    addEventListener('resize', redraw)
    new ResizeObserver(redraw).observe(this.#frame)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#recolor())
    addEventListener('hashchange', () => this.#follow(location.hash))
    // A link that is clicked again leads there again.
    document.addEventListener('click', ({ target }) => {
      const link = target instanceof Element ? target.closest('a') : null
      const href = link?.getAttribute('href') ?? ''
      if (href.startsWith('#') && href === location.hash) this.#follow(href)
    })
    addEventListener('beforeprint', () => this.#print(true))
    addEventListener('afterprint', () => this.#print(false))
  }

  #listenToSearch(): void {
    const field = byId('search') as HTMLInputElement
    field.addEventListener('input', () => this.#searchFor(field.value))
    byId('previous').addEventListener('click', () => this.#goToFound(false))
    byId('next').addEventListener('click', () => this.#goToFound(true))
    field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return
      event.preventDefault()
      this.#goToFound(!event.shiftKey)
    })
  }

  #searchFor(text: string): void {
    this.#search.set(text)
    this.#countFound()
    this.#ask()
  }

  /** Says how many were found, and which of them is chosen. */
  #countFound(): void {
    const { slices, events, threads, isActive } = this.#search
    const counted = (count: number, what: string): string =>
      `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`
    const place = isActive ? this.#search.placeOf(this.#chosen.slice) : 0
    const parts = [
      `${place > 0 ? `${place.toLocaleString('en')} of ` : ''}${counted(slices, 'span')}`,
      ...(events > 0 ? [counted(events, 'event')] : []),
      ...(threads > 0 ? [counted(threads, 'thread')] : []),
    ]
    byId('matches').textContent = isActive ? parts.join(', ') : ''
    byId('steps').hidden = slices + events + threads === 0
  }

  /** Goes to the next span that was found; if none was, to the next event, or the next thread. */
  #goToFound(isForward: boolean): void {
    const { slices, events, threads } = this.#search
    if (slices > 0) this.#goTo(this.#search.nextSlice(this.#chosen.slice, isForward))
    else if (events > 0) {
      this.#pickEvent(this.#search.nextEvent(this.#chosen.event, isForward))
    } else if (threads > 0) {
      this.#choose({ ...NOTHING, thread: this.#search.nextThread(this.#chosen.thread, isForward) })
      this.#reveal()
    }
  }

  /** Goes where a link of the page leads. */
  #follow(hash: string): void {
    this.#marked = undefined
    const target: Readonly<Record<string, string>> = Object.fromEntries(new URLSearchParams(hash.slice(1)))
    const { data, sliceOfTask } = this.#timeline
    const place = (text: string | undefined, count: number): number => {
      const number = text === undefined ? NaN : Number(text)
      return Number.isInteger(number) && number >= 0 && number < count ? number : -1
    }
    const slice = place(target.slice, data.slices.start.length)
    const task = place(target.task, data.tasks.queued.length)
    const event = place(target.event, data.events.time.length)
    const thread = place(target.thread, data.threads.length)
    if (slice >= 0) this.#goTo(slice)
    else if (target.search !== undefined) {
      ;(byId('search') as HTMLInputElement).value = target.search
      this.#searchFor(target.search)
      this.#choose(NOTHING, false)
      byId('tools').scrollIntoView()
      return
    } else if (task >= 0) {
      const run = sliceOfTask.get(task) ?? -1
      const { queued, handled, finished, dispatched } = data.tasks
      const length = Math.max(handled[task], finished[task], dispatched[task], 0)
      // Of a long time in the queue only the last part, or the run could not be seen.
      const way = length - Math.max(0, dispatched[task])
      const from = way > 0 ? Math.max(0, length - QUEUE_SHOWN * way) : 0
      this.#view.showAround(queued[task] + from, queued[task] + length)
      this.#choose({ ...NOTHING, slice: run, task, thread: data.tasks.worker[task] }, false)
    } else if (target.from !== undefined && target.to !== undefined) {
      const [from, to] = [Number(target.from), Number(target.to)]
      if (!Number.isFinite(from) || !Number.isFinite(to) || to < from) return
      this.#view.showAround(from, to)
      this.#choose({ ...NOTHING, thread }, false)
      this.#mark({ from, to }, Number(target.finding))
    } else if (event >= 0) this.#pickEvent(event, false)
    else if (thread >= 0) this.#choose({ ...NOTHING, thread }, false)
    else return
    this.#reveal()
  }

  #goTo(slice: number): void {
    this.#marked = undefined
    const { start, task } = this.#timeline.data.slices
    this.#view.showAround(start[slice], this.#timeline.ends[slice])
    const { thread } = this.#timeline.laneOf(slice)
    this.#choose({ ...NOTHING, slice, task: task[slice], thread })
    this.#reveal()
  }

  /** Scrolls to the row of what is chosen; of a task to its submitter's, too, if both have room. */
  #reveal(): void {
    const { thread, task } = this.#chosen
    const own = this.#layout.ofThread(thread)
    const other = task < 0 ? undefined : this.#layout.ofThread(this.#timeline.data.tasks.submitter[task])
    const rows = [own, other].filter((row): row is Row => row !== undefined)
    // What is said of it lies over the rows at the foot of the window.
    const room = innerHeight - this.#detail.offsetHeight
    const topOf = (all: readonly Row[]): number => Math.min(...all.map(({ top }) => top - HEAD))
    const endOf = (all: readonly Row[]): number =>
      Math.max(HEAD, ...all.map(({ top, height }) => top + height))
    const shown = endOf(rows) - topOf(rows) <= room ? rows : rows.slice(0, 1)
    const { top } = this.#frame.getBoundingClientRect()
    const [rowTop, bottom] = shown.length === 0 ? [0, HEAD] : [topOf(shown), endOf(shown)]
    if (top + rowTop < 0) scrollBy({ top: top + rowTop })
    else if (top + bottom > room) scrollBy({ top: Math.min(top + rowTop, top + bottom - room) })
    this.#ask()
  }

  #choose(chosen: Chosen, isAddress = true): void {
    this.#chosen = chosen
    if (addressOf(chosen) === '#') this.#marked = undefined
    this.#column = undefined
    showDetail(this.#detail, this.#timeline, chosen)
    if (isAddress) setAddress(addressOf(chosen))
    if (this.#search.isActive) this.#countFound()
    this.#ask()
  }

  /** Marks what a finding is about, and shows what it says; without one, what threads did then. */
  #mark(marked: Range, place: number): void {
    this.#marked = marked
    const finding = document.querySelectorAll('#findings > li')[place]
    if (finding === undefined) showRange(this.#detail, this.#timeline, marked)
    else showFinding(this.#detail, finding)
  }

  /** Marks what a user wants to have summed up. */
  #markRange(marked: Range, isDone: boolean): void {
    this.#choose(NOTHING, false)
    this.#marked = marked
    if (!isDone) return
    showRange(this.#detail, this.#timeline, marked)
    setAddress(`#from=${Math.round(marked.from)}&to=${Math.round(marked.to)}`)
    // What is said of it must not lie over all of it.
    const { top } = this.#canvas.getBoundingClientRect()
    const hidden = top + HEAD + LEAST_SEEN - (innerHeight - this.#detail.offsetHeight)
    if (hidden > 0) scrollBy({ top: Math.max(0, Math.min(hidden, top)) })
  }

  #fit(): void {
    const { slice } = this.#chosen
    const { start } = this.#timeline.data.slices
    const range = slice < 0 ? this.#marked : { from: start[slice], to: this.#timeline.ends[slice] }
    if (range === undefined) this.#change(() => this.#view.showAll())
    else this.#fitOrAll(range)
  }

  /** Shows a part of the time; if that is what is shown, all of it. */
  #fitOrAll({ from, to }: Range): void {
    const { from: shownFrom, to: shownTo } = this.#view
    this.#view.showAround(from, to)
    if (this.#view.from === shownFrom && this.#view.to === shownTo) this.#view.showAll()
    this.#ask()
  }

  #help(): void {
    ;(byId('keys') as HTMLDialogElement).showModal()
  }

  /** A wheel scrolls the page. Who wants to zoom with it is told once how. */
  #tellZoom(): void {
    if (this.#isTold) return
    this.#isTold = true
    this.#hint.hidden = false
    setTimeout(() => (this.#hint.hidden = true), HINT_MS)
  }

  /** To the next slice or event of the lane, or to the first one that is shown. */
  #step(isForward: boolean): void {
    const { slice, event, thread } = this.#chosen
    const by = isForward ? 1 : -1
    if (event >= 0) {
      const [first, after] = this.#timeline.parts[thread].events
      if (event + by >= first && event + by < after) this.#pickEvent(event + by)
    } else if (slice >= 0) {
      const { first, count } = this.#timeline.laneOf(slice)
      if (slice + by >= first && slice + by < first + count) this.#pick(slice + by)
    } else this.#take(this.#lanes.first(Math.max(0, thread), this.#view.from))
  }

  /** To the lane below or above: to what is there at the same time. */
  #stepLane(isDown: boolean): void {
    const { slice, event } = this.#chosen
    const { data, ends } = this.#timeline
    const { from, to } = this.#view
    const [start, end] =
      slice >= 0
        ? [data.slices.start[slice], ends[slice]]
        : event >= 0
          ? [data.events.time[event], data.events.time[event]]
          : [from, to]
    const column = this.#column ?? (Math.max(from, start) + Math.min(to, end)) / 2
    this.#take(this.#lanes.next(this.#chosen, isDown, column))
    this.#column = column
  }

  #take(chosen: Chosen): void {
    if (chosen.slice >= 0) this.#pick(chosen.slice)
    else if (chosen.event >= 0) this.#pickEvent(chosen.event)
    else {
      this.#choose(chosen)
      this.#reveal()
    }
  }

  /** Chooses an event, and shows it if it is out of sight. */
  #pickEvent(event: number, isAddress = true): void {
    const { time, thread } = this.#timeline.data.events
    const half = this.#view.span / 2
    if (time[event] < this.#view.from || time[event] > this.#view.to)
      this.#view.show(time[event] - half, time[event] + half)
    this.#choose({ ...NOTHING, event, thread: thread[event] }, isAddress)
    this.#reveal()
  }

  /** Chooses a slice, and shows it if it is out of sight. */
  #pick(slice: number): void {
    const { start, task } = this.#timeline.data.slices
    const end = this.#timeline.ends[slice]
    if (start[slice] < this.#view.from || end > this.#view.to) {
      const span = Math.max(this.#view.span, (end - start[slice]) * 1.2)
      const middle = (start[slice] + end) / 2
      this.#view.show(middle - span / 2, middle + span / 2)
    }
    this.#choose({ ...NOTHING, slice, task: task[slice], thread: this.#timeline.laneOf(slice).thread })
    this.#reveal()
  }

  /** What stands at the left, in full. */
  #labelAt(y: number): string {
    const row = this.#layout.at(y + this.#scrolled)
    const { processes, charts, threads } = this.#timeline.data
    if (row === undefined) return ''
    if (row.kind === 'process') return processes[row.place].label
    if (row.kind === 'chart') return charts[row.place].label
    const { label, about } = threads[row.place]
    return about === '' ? label : `${label}: ${about}`
  }

  /** @param said of the place, if nothing is hit there. */
  #hover(chosen: Chosen, said: string, x: number, y: number): void {
    const found = linesOf(this.#timeline, chosen)
    const lines = found.length > 0 ? found : said === '' ? [] : [said]
    this.#tooltip.hidden = lines.length === 0
    this.#canvas.style.cursor = found.length > 0 ? 'pointer' : ''
    if (this.#tooltip.hidden) return
    this.#tooltip.replaceChildren(
      ...lines.map((line) => {
        const made = document.createElement('div')
        made.textContent = line
        return made
      }),
    )
    const { offsetWidth, offsetHeight } = this.#tooltip
    // Beside the pointer, and in the window: above the pointer where there is no room below.
    const most = this.#width - offsetWidth
    const foot = innerHeight - this.#canvas.getBoundingClientRect().top
    const below = y + TOOLTIP_OFFSET
    const top = below + offsetHeight > foot ? y - TOOLTIP_OFFSET / 2 - offsetHeight : below
    this.#tooltip.style.left = `${Math.max(0, Math.min(most, x + TOOLTIP_OFFSET))}px`
    this.#tooltip.style.top = `${top + this.#scrolled}px`
  }

  #point(pointed: Pointed | undefined): void {
    if (pointed === undefined && this.#pointed === undefined) return
    this.#pointed = pointed
    this.#ask()
  }

  #change(change: () => void): void {
    change()
    this.#ask()
  }

  #recolor(): void {
    this.#colors = colorsOf(document.documentElement)
    this.#ask()
  }

  /** On paper all rows are there, in light colours. */
  #print(isPrinting: boolean): void {
    this.#isPrinting = isPrinting
    document.documentElement.classList.toggle('printing', isPrinting)
    this.#colors = colorsOf(document.documentElement)
    const rows = this.#layout.rows.filter(({ top, height }) => top + height > MOST_PRINTED).length
    byId('unprinted').textContent =
      rows === 0 ? '' : `${rows.toLocaleString('en')} more rows are not on paper.`
    this.draw()
  }

  #ask(): void {
    if (this.#isAsked) return
    this.#isAsked = true
    requestAnimationFrame(() => {
      this.#isAsked = false
      this.draw()
    })
  }

  draw(): void {
    const canvas = this.#canvas
    const [width, height] = [this.#width, this.#height]
    const ratio = Math.min(devicePixelRatio, Math.sqrt(MOST_PIXELS / (width * height)))
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)]
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide
      canvas.height = high
      canvas.style.height = `${height}px`
    }
    canvas.getContext('2d')?.setTransform(ratio, 0, 0, ratio, 0, 0)
    this.#painter.draw({
      timeline: this.#timeline,
      layout: this.#layout,
      view: this.#view,
      search: this.#search,
      chosen: this.#chosen,
      marked: this.#marked,
      pointed: this.#isPrinting ? undefined : this.#pointed,
      colors: this.#colors,
      scrolled: this.#scrolled,
      width,
      height,
      left: this.#left,
    })
    // For who drives the page: what is shown, and that it is.
    canvas.dataset.from = String(this.#view.from)
    canvas.dataset.to = String(this.#view.to)
    canvas.dataset.slice = String(this.#chosen.slice)
  }
}

for (const table of document.querySelectorAll<HTMLTableElement>('table.sortable')) makeSortable(table)
try {
  const page = new Page(await readData())
  page.draw()
  performance.mark('rchan:drawn')
} catch (error) {
  const why = error instanceof Error ? error.message : String(error)
  byId('detail').textContent = `The timeline can't be drawn: ${why}. The tables are complete.`
  throw error
}
