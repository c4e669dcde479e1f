/**
 * Disks that fail while they are written to. Mounting them needs root on Linux. For tests only.
 *
 * A disk has `folder`, and `unmount()`, which must be called.
 */
import { execFileSync } from 'node:child_process'
import {
  accessSync,
  appendFileSync,
  constants,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'

function lacksMount() {
  if (process.platform !== 'linux') return 'mounting a disk needs Linux'
  if (process.getuid() !== 0) return 'mounting a disk needs root'
  // Effective capability 21 is CAP_SYS_ADMIN, which a container may lack.
  const effective = /^CapEff:\s*([\da-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return (BigInt(`0x${effective}`) >> 21n) & 1n ? undefined : 'mounting a disk needs CAP_SYS_ADMIN'
}

/** Mounts something on a folder in `home`. */
function mount(home, args) {
  const folder = join(home, 'disk')
  mkdirSync(folder)
  execFileSync('mount', [...args, folder], { stdio: ['ignore', 'ignore', 'pipe'] })
  return { folder, unmount: () => execFileSync('umount', ['--lazy', folder]) }
}

/** A disk with little room: 128 KiB to 1 MiB. */
export const fillingDisk = {
  lacks: lacksMount,
  make(home, random) {
    const bytes = random.whole(32, 256) * 4096
    return mount(home, ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs'])
  },
}

/** A disk of 64 MiB that something else fills (`fill`), and that has room again (`free`). */
export const roomyDisk = {
  lacks: lacksMount,
  make(home) {
    const disk = mount(home, ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs'])
    const filler = join(disk.folder, 'filler')
    return {
      ...disk,
      fill() {
        const mebibyte = new Uint8Array(2 ** 20)
        try {
          for (;;) appendFileSync(filler, mebibyte)
        } catch (error) {
          if (error.code !== 'ENOSPC') throw error
        }
      },
      free: () => rmSync(filler),
    }
  },
}

/**
 * A disk that becomes read-only while files on it are open for writing, as the kernel does it after
 * an error of the disk.
 */
export const readOnlyDisk = {
  lacks() {
    const reason = lacksMount()
    if (reason !== undefined) return reason
    try {
      accessSync('/dev/loop-control', constants.W_OK)
      accessSync('/sys/fs/ext4')
      execFileSync('mkfs.ext4', ['-V'], { stdio: 'ignore' })
      return undefined
    } catch {
      return 'a disk that becomes read-only needs loop devices and mkfs.ext4'
    }
  },
  make(home) {
    const image = join(home, 'image')
    execFileSync('truncate', ['-s', '64M', image])
    execFileSync('mkfs.ext4', ['-q', image])
    const disk = mount(home, ['-o', 'loop,errors=remount-ro', image])
    const device = execFileSync('findmnt', ['-n', '-o', 'SOURCE', disk.folder], { encoding: 'utf8' }).trim()
    return {
      ...disk,
      makeReadOnly: () => writeFileSync(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, '1'),
    }
  },
}
