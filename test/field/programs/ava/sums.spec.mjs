import test from 'ava'

test('adds', (t) => {
  const end = performance.now() + 20
  while (performance.now() < end);
  t.pass()
})

test('waits', async (t) => {
  await new Promise((done) => setTimeout(done, 5))
  t.pass()
})
