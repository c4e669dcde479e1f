// Stands for a database: the sales of a month, one after the other.
export function* salesOf(month) {
  let state = month + 1
  const random = (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
  for (let index = 0; index < 20_000; index += 1) {
    yield {
      id: month * 100_000 + index,
      customer: `customer ${random(2000)}`,
      product: `product ${random(300)}`,
      quantity: 1 + random(9),
      price: random(10_000) / 100,
      day: 1 + random(28),
    }
  }
}
