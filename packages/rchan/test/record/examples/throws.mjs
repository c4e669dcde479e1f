export default (when) => {
  if (when === 'now') throw new Error('thrown')
  return Promise.reject(new TypeError('rejected'))
}
