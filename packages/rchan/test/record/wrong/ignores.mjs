// Ends by itself, some time after it was interrupted.
process.on('SIGINT', () => {
  performance.mark('interrupted')
  setTimeout(() => process.exit(8), 100)
})
setInterval(() => undefined, 1000)
console.log(process.pid)
