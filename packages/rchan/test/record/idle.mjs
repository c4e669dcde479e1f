// Lives for some time, or until a signal comes.
const [, , ms = '60'] = process.argv
setTimeout(() => undefined, Number(ms) || 60)
process.stdout.write(`${process.env.NODE_OPTIONS?.includes('auto.js') === true}\n`)
