/** The script of the page. */
import { durationText } from '@rchan/analysis'
import { unpack } from '../src/columns.js'
import type { PageData } from '../src/page-data.js'
import { colorsOf } from './colors.js'
import { showDetail } from './detail.js'
import { hit, trouble } from './hit.js'
import { listen } from './input.js'
import { HEAD, Layout, OVERVIEW } from './layout.js'
import { Painter } from './paint.js'
import { labelsWidth } from './scene.js'
import { NOTHING, Search, type Chosen } from './selection.js'
import { makeSortable } from './tables.js'
import { Timeline } from './timeline.js'
import { View } from './view.js'

/** What is drawn at least of the rows, in pixels. */
const LEAST_HEIGHT = 200
/** How near a pointer has to be, in pixels. */
const NEAR = 3
const TOOLTIP_OFFSET = 14
/** A task is shown with at most so many times its way from the queue to its end. */
const QUEUE_SHOWN = 8

function byId(id: string): HTMLElement {
  return document.getElementById(id) as HTMLElement
}

async function readData(): Promise<PageData> {
  const base64 = byId('data').textContent
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'))
  return unpack(new Uint8Array(await new Response(stream).arrayBuffer())) as PageData
}

class Page {
  readonly #timeline: Timeline
  readonly #layout: Layout
  readonly #view: View
  readonly #search: Search
  readonly #painter: Painter
  readonly #canvas = byId('timeline') as HTMLCanvasElement
  readonly #frame = byId('frame')
  readonly #detail = byId('detail')
  readonly #tooltip = this.#frame.appendChild(document.createElement('div'))
  #colors = colorsOf(document.documentElement)
  #chosen: Chosen = NOTHING
  #isAsked = false
  #isPrinting = false

  constructor(data: PageData) {
    this.#timeline = new Timeline(data)
    this.#layout = new Layout(this.#timeline)
    this.#view = new View(data.from, data.to)
    this.#search = new Search(this.#timeline)
    this.#painter = new Painter(this.#canvas.getContext('2d', { alpha: false }) as CanvasRenderingContext2D)
    this.#tooltip.id = 'tooltip'
    this.#tooltip.hidden = true
    this.#frame.style.height = `${this.#layout.height}px`
    this.#listen()
    this.#choose(NOTHING, false)
    this.#follow(location.hash)
  }

  get #width(): number {
    return this.#frame.clientWidth
  }

  get #height(): number {
    const { height } = this.#layout
    return this.#isPrinting ? height : Math.min(height, Math.max(LEAST_HEIGHT, innerHeight))
  }

  /** How far the rows are scrolled: the canvas sticks to the window while the page goes on. */
  get #scrolled(): number {
    if (this.#isPrinting) return 0
    const most = this.#layout.height - this.#height
    return Math.max(0, Math.min(most, -this.#frame.getBoundingClientRect().top))
  }

  #listen(): void {
    const left = (): number => labelsWidth(this.#width)
    const plot = (): number => Math.max(1, this.#width - left())
    const timeAt = (x: number): number => this.#view.from + ((x - left()) / plot()) * this.#view.span
    const hitAt = (x: number, y: number): Chosen => {
      const slack = (NEAR / plot()) * this.#view.span
      return hit(this.#timeline, this.#layout, timeAt(x), y + this.#scrolled, slack)
    }
    const { data } = this.#timeline
    listen(this.#canvas, {
      zoom: (factor, x) =>
        this.#change(() =>
          this.#view.zoom(factor, x === undefined ? (this.#view.from + this.#view.to) / 2 : timeAt(x)),
        ),
      panPart: (part) => this.#change(() => this.#view.pan(part * this.#view.span)),
      panPixels: (pixels) => this.#change(() => this.#view.pan((pixels / plot()) * this.#view.span)),
      isAll: () => this.#view.isAll,
      areaAt: (x, y) => (x < left() ? 'labels' : y < OVERVIEW ? 'overview' : 'plot'),
      showOverviewAt: (x) =>
        this.#change(() => {
          const middle = data.from + ((x - left()) / plot()) * (data.to - data.from)
          this.#view.show(middle - this.#view.span / 2, middle + this.#view.span / 2)
        }),
      choose: (x, y) => {
        const row = x < left() && y > HEAD ? this.#layout.at(y + this.#scrolled) : undefined
        this.#choose(row?.kind === 'thread' ? { ...NOTHING, thread: row.place } : hitAt(x, y))
      },
      hover: (x, y, isOver) => {
        const isOn = isOver && y > HEAD && x >= left()
        const slack = (NEAR / plot()) * this.#view.span
        const said = isOn ? trouble(this.#timeline, this.#layout, timeAt(x), y + this.#scrolled, slack) : ''
        this.#hover(isOn ? hitAt(x, y) : NOTHING, said, x, y)
      },
      fit: () => this.#fit(),
      step: (isForward) => this.#step(isForward),
      chooseNothing: () => this.#choose(NOTHING, true),
    })
    byId('in').addEventListener('click', () =>
      this.#change(() => this.#view.zoom(0.5, (this.#view.from + this.#view.to) / 2)),
    )
    byId('out').addEventListener('click', () =>
      this.#change(() => this.#view.zoom(2, (this.#view.from + this.#view.to) / 2)),
    )
    byId('fit').addEventListener('click', () => this.#fit())
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
    field.addEventListener('input', () => {
      this.#search.set(field.value)
      const { slices, events, threads, isActive } = this.#search
      const counted = (count: number, what: string): string =>
        `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`
      const parts = [
        counted(slices, 'span'),
        ...(events > 0 ? [counted(events, 'event')] : []),
        ...(threads > 0 ? [counted(threads, 'thread')] : []),
      ]
      byId('matches').textContent = isActive ? parts.join(', ') : ''
      this.#ask()
    })
    field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return
      event.preventDefault()
      this.#goToFound(!event.shiftKey)
    })
  }

  /** Goes to the next span that was found; if none was, to the next event, or the next thread. */
  #goToFound(isForward: boolean): void {
    const { data } = this.#timeline
    const { slices, events, threads } = this.#search
    if (slices > 0) this.#goTo(this.#search.nextSlice(this.#chosen.slice, isForward))
    else if (events > 0) {
      const event = this.#search.nextEvent(this.#chosen.event, isForward)
      const { time, thread } = data.events
      const half = this.#view.span / 2
      if (time[event] < this.#view.from || time[event] > this.#view.to)
        this.#view.show(time[event] - half, time[event] + half)
      this.#choose({ ...NOTHING, event, thread: thread[event] })
      this.#reveal()
    } else if (threads > 0) {
      this.#choose({ ...NOTHING, thread: this.#search.nextThread(this.#chosen.thread, isForward) })
      this.#reveal()
    }
  }

  /** Goes where a link of the page leads. */
  #follow(hash: string): void {
    const target: Readonly<Record<string, string>> = Object.fromEntries(new URLSearchParams(hash.slice(1)))
    const { data, sliceOfTask } = this.#timeline
    const place = (text: string | undefined, count: number): number => {
      const number = text === undefined ? NaN : Number(text)
      return Number.isInteger(number) && number >= 0 && number < count ? number : -1
    }
    const slice = place(target.slice, data.slices.start.length)
    const task = place(target.task, data.tasks.queued.length)
    const thread = place(target.thread, data.threads.length)
    if (slice >= 0) this.#goTo(slice)
    else if (task >= 0) {
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
      if (Number.isFinite(from) && Number.isFinite(to)) this.#view.showAround(from, to)
      this.#choose({ ...NOTHING, thread }, false)
    } else if (thread >= 0) this.#choose({ ...NOTHING, thread }, false)
    else return
    this.#reveal()
  }

  #goTo(slice: number): void {
    const { start, task } = this.#timeline.data.slices
    this.#view.showAround(start[slice], this.#timeline.ends[slice])
    const { thread } = this.#timeline.laneOf(slice)
    this.#choose({ ...NOTHING, slice, task: task[slice], thread })
    this.#reveal()
  }

  /** Scrolls to the row of what is chosen. */
  #reveal(): void {
    const row = this.#layout.ofThread(this.#chosen.thread)
    const { top } = this.#frame.getBoundingClientRect()
    const [rowTop, bottom] = row === undefined ? [0, HEAD] : [row.top - HEAD, row.top + row.height]
    // What is said of it lies over the rows at the foot of the window.
    const room = innerHeight - this.#detail.offsetHeight
    if (top + rowTop < 0) scrollBy({ top: top + rowTop })
    else if (top + bottom > room) scrollBy({ top: Math.min(top + rowTop, top + bottom - room) })
    this.#ask()
  }

  #choose(chosen: Chosen, isAddress = true): void {
    this.#chosen = chosen
    showDetail(this.#detail, this.#timeline, chosen)
    if (isAddress && (chosen.slice >= 0 || location.hash !== '')) {
      // The address leads back to it. A page in a frame may have none.
      try {
        history.replaceState(null, '', chosen.slice >= 0 ? `#slice=${chosen.slice}` : '#')
      } catch {
        // Then it doesn't.
      }
    }
    this.#ask()
  }

  #fit(): void {
    const { slice } = this.#chosen
    if (slice >= 0) this.#view.showAround(this.#timeline.data.slices.start[slice], this.#timeline.ends[slice])
    else this.#view.showAll()
    // What is fitted already: all of it.
    this.#ask()
  }

  /** To the next slice of the lane, or to the first one that is shown. */
  #step(isForward: boolean): void {
    const { slice } = this.#chosen
    const { data } = this.#timeline
    if (slice < 0) {
      const row = Math.max(0, this.#chosen.thread)
      const [lane] = this.#timeline.parts[row]?.lanes ?? data.lanes
      if (lane === undefined) return
      const first = Math.min(lane.first + lane.count - 1, this.#timeline.firstAfter(lane, this.#view.from))
      this.#pick(first)
      return
    }
    const { first, count } = this.#timeline.laneOf(slice)
    const next = slice + (isForward ? 1 : -1)
    if (next >= first && next < first + count) this.#pick(next)
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

  /** @param said of the place, if nothing is hit there. */
  #hover({ slice, event }: Chosen, said: string, x: number, y: number): void {
    const { names, slices, events } = this.#timeline.data
    const text =
      slice >= 0
        ? `${names[slices.name[slice]]} ${durationText(slices.duration[slice])}`
        : event >= 0
          ? names[events.name[event]]
          : said
    this.#tooltip.hidden = text === ''
    this.#canvas.style.cursor = slice >= 0 || event >= 0 ? 'pointer' : ''
    if (this.#tooltip.hidden) return
    this.#tooltip.textContent = text
    const most = this.#width - this.#tooltip.offsetWidth
    this.#tooltip.style.left = `${Math.max(0, Math.min(most, x + TOOLTIP_OFFSET))}px`
    this.#tooltip.style.top = `${y + this.#scrolled + TOOLTIP_OFFSET}px`
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
    const [width, height, ratio] = [this.#width, this.#height, devicePixelRatio]
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
      colors: this.#colors,
      scrolled: this.#scrolled,
      width,
      height,
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
