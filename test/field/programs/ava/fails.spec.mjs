import test from 'ava'

test('is wrong', (t) => {
  t.deepEqual([1, 2], [1, 3])
})
