/** How many CPUs a process may use, by the quotas of its control groups. */
import { expect, test } from 'vitest'
// Nobody else has a use for it.
import { quotaOf } from '../dist/cpu-count.js'

function quota(groups: string, files: Readonly<Record<string, string>>): number {
  return quotaOf(groups, (file) => files[file] ?? '')
}

test('the unified hierarchy: the smallest of a group and those above it', () => {
  const groups = '0::/system.slice/app.service\n'
  const [slice, own] = ['/system.slice', '/system.slice/app.service'].map(
    (path) => `/sys/fs/cgroup${path}/cpu.max`,
  )
  expect(quota(groups, { [own]: '150000 100000\n', [slice]: 'max 100000\n' })).toBe(1.5)
  expect(quota(groups, { [own]: '400000 100000\n', [slice]: '300000 100000\n' })).toBe(3)
  expect(quota(groups, { [own]: 'max 100000\n' })).toBe(Infinity)
  expect(quota(groups, {})).toBe(Infinity)
})

test('a container, whose own group is the root that it sees', () => {
  expect(quota('0::/\n', { '/sys/fs/cgroup/cpu.max': '200000 100000\n' })).toBe(2)
  expect(quota('0::/docker/4711\n', { '/sys/fs/cgroup/cpu.max': '200000 100000\n' })).toBe(2)
})

test('version 1: a hierarchy of the controller of CPUs', () => {
  const groups = '9:name=systemd:/\n4:cpu,cpuacct:/docker/4711\n1:cpuset:/other\n'
  const files = {
    '/sys/fs/cgroup/cpu/docker/4711/cpu.cfs_quota_us': '250000\n',
    '/sys/fs/cgroup/cpu/docker/4711/cpu.cfs_period_us': '100000\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
  }
  expect(quota(groups, files)).toBe(2.5)
  expect(quota(groups, { ...files, '/sys/fs/cgroup/cpu/docker/4711/cpu.cfs_quota_us': '-1\n' })).toBe(
    Infinity,
  )
})

test('elsewhere there are no groups', () => {
  expect(quota('', {})).toBe(Infinity)
})
