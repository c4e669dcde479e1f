test('adds', () => {
  const end = performance.now() + 20
  let sum = 0
  while (performance.now() < end) sum += 1
  expect(sum).toBeGreaterThan(0)
})

test('waits', async () => {
  await new Promise((done) => setTimeout(done, 5))
})
