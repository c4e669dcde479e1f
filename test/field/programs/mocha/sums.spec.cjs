describe('sums', () => {
  it('adds', () => {
    const end = performance.now() + 20
    while (performance.now() < end);
  })

  it('waits', async () => {
    await new Promise((done) => setTimeout(done, 5))
  })
})
