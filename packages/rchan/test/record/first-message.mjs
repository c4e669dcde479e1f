// One message through a channel; then when code was made from text, after `compile-times.cjs`.
const { port1, port2 } = new MessageChannel()
port2.once('message', () => port2.close())
port1.postMessage('hello')
process.on('exit', () => console.log(globalThis.compileTimes.map(String).join(' ')))
