export default (task) => {
  const end = performance.now() + (typeof task === 'number' ? task : 0)
  while (performance.now() < end);
}
