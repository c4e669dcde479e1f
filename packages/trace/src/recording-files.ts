/**
 * The files of a recording: its folder from the start, or from a later set-up. Runs on the thread
 * that records.
 */
import { checkPermissions } from './permissions.js'
import { checkFolderOptions, claimFolder, type FolderOptions, type TraceFolder } from './trace-folder.js'

/** What messages say instead of a folder. */
const MEMORY = 'memory'

export class RecordingFiles {
  #folder: TraceFolder | undefined
  /** The set-up that is under way. It never rejects. */
  #settingUp: Promise<unknown> | undefined
  #settingUpPath: string | undefined

  /**
   * Takes the folder, if there is one from the start.
   *
   * @throws Error if it can't be used.
   */
  constructor(
    options: FolderOptions | undefined,
    claim: (options: FolderOptions) => TraceFolder = claimFolder,
  ) {
    if (options !== undefined) this.#folder = claim(options)
  }

  /** The folder, absolute; undefined while all is in memory. */
  get path(): string | undefined {
    return this.#folder?.path
  }

  /** Where the recording goes, for messages. */
  get target(): string {
    return this.path ?? this.#settingUpPath ?? MEMORY
  }

  /** Removes what was made, if the recording could not start. */
  readonly undo = (): void => this.#folder?.undo()

  /**
   * Takes a folder late. If the recording can't use it, all is as it was before.
   *
   * @param use gives it to the thread that writes.
   * @returns the folder, absolute.
   */
  async setUp(options: FolderOptions, use: (path: string) => Promise<unknown>): Promise<string> {
    const { path } = this
    if (path !== undefined) {
      throw new Error(`setUpFiles: the recording has its files already, in ${path}`)
    }
    if (this.#settingUp !== undefined) {
      throw new Error('setUpFiles: another call sets up the files of this recording already: wait for it')
    }
    checkPermissions(checkFolderOptions('setUpFiles', options))
    const folder = claimFolder(options)
    this.#settingUpPath = folder.path
    const using = use(folder.path)
    this.#settingUp = using.then(
      () => undefined,
      () => undefined,
    )
    try {
      await using
      this.#folder = folder
      return folder.path
    } catch (error) {
      folder.undo()
      throw new Error(`can't record into ${folder.path}: ${(error as Error).message}`, { cause: error })
    } finally {
      this.#settingUpPath = undefined
      this.#settingUp = undefined
    }
  }

  /** Waits for a set-up that is under way. @returns the folder, if there is one then. */
  async settled(): Promise<string | undefined> {
    await this.#settingUp
    // The continuation of that set-up was registered earlier, so it has run.
    return this.path
  }
}
