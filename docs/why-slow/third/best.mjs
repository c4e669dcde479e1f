import { salesOf } from './sales.mjs'

// The task: the three products with the highest turnover.
export default (month) => {
  const turnover = new Map()
  for (const { product, quantity, price } of salesOf(month)) {
    turnover.set(product, (turnover.get(product) ?? 0) + quantity * price)
  }
  const best = [...turnover].sort(([, one], [, other]) => other - one).slice(0, 3)
  return best.map(([product]) => product)
}
