const { deepStrictEqual } = require('node:assert')

describe('fails', () => {
  it('is wrong', () => {
    deepStrictEqual([1, 2], [1, 3])
  })
})
