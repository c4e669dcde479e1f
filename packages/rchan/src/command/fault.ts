/** What ends the command: an error that its user can do something about. */

/** A failure. The message says what, where, and what to do. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError'
}

/** The command line asks for something that does not exist, or that contradicts itself. */
export class UsageError extends CommandError {
  override readonly name = 'UsageError'
}

/** Errors of the system, in words. */
const SYSTEM: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EEXIST: 'there is a file with this name',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'a file may not be as large as that here (ulimit -f)',
  EIO: 'the disk failed',
  EISDIR: 'is a folder',
  ELOOP: 'too many links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'no such file or folder',
  ENOSPC: 'no space left on the disk',
  ENOTDIR: 'a part of the path is no folder',
  EPERM: 'not permitted',
  EROFS: 'the disk can only be read',
}

/** Returns an error of the system, in words. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return SYSTEM[code ?? ''] ?? message
}
