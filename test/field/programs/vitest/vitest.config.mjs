// No plugin, no cache: nothing but files of tests, each in a worker.
export default {
  cacheDir: './.cache',
  test: {
    include: ['**/*.spec.mjs'],
    maxWorkers: 2,
    minWorkers: 1,
    reporters: ['verbose'],
    env: { FIELD: 'yes' },
    vmMemoryLimit: '1GB',
  },
}
