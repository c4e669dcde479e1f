// Uses message ports in all ways, one after the other, and prints what comes of it.
const { createContext, runInContext } = require('node:vm')
const events = require('node:events')
const threads = require('node:worker_threads')

const { MessageChannel, MessagePort, moveMessagePortToContext, receiveMessageOnPort } = threads

function caught(action) {
  try {
    return action()
  } catch ({ name, message, code }) {
    return [name, message, code]
  }
}

async function withPorts(use, Channel = MessageChannel) {
  const { port1, port2 } = new Channel()
  const result = await use(port1, port2)
  port1.close()
  port2.close()
  return result
}

const ways = {
  wrongly: () =>
    withPorts((port1, port2) => [
      caught(() => port1.postMessage(() => undefined)),
      caught(() => port1.postMessage()),
      caught(() => port1.postMessage(1, [port1])),
      caught(() => port1.postMessage(1, 5)),
      caught(() => MessagePort.prototype.postMessage.call({}, 1)),
      caught(() => receiveMessageOnPort({})),
      receiveMessageOnPort(port2) ?? 'nothing',
    ]),
  closed: () => withPorts((port1) => [port1.close(), port1.postMessage(1)]),
  events: () =>
    withPorts((port1, port2) => {
      const other = new MessageChannel()
      port1.postMessage('x', [other.port1])
      return new Promise((done) => {
        port2.addEventListener('message', ({ constructor, data, ports, target }) => {
          other.port2.close()
          done([constructor.name, data, ports.length, ports[0].constructor === MessagePort, target === port2])
        })
        port2.start()
      })
    }),
  once: () =>
    withPorts((port1, port2) => {
      port1.postMessage(5)
      return events.once(port2, 'message')
    }),
  loop: () =>
    withPorts(async (port1, port2) => {
      const found = []
      for (let n = 0; n < 3; n += 1) port1.postMessage(n)
      for await (const [n] of events.on(port2, 'message')) if (found.push(n) === 3) break
      return found
    }),
  broadcast: () =>
    new Promise((done) => {
      const [a, b] = [new BroadcastChannel('x'), new BroadcastChannel('x')]
      b.addEventListener('message', ({ data, constructor }) => {
        a.close()
        b.close()
        done([data, constructor.name])
      })
      a.postMessage({ n: 1 })
    }),
  context: () =>
    withPorts((port1, port2) => {
      const context = createContext({})
      context.port = moveMessagePortToContext(port2, context)
      port1.postMessage([1])
      return new Promise((done) => {
        context.done = done
        runInContext(
          'port.onmessage = ({ data }) => { port.close(); done([data, data instanceof Array]) }; port.start()',
          context,
        )
      })
    }),
  globally: () =>
    withPorts((port1, port2) => {
      port1.postMessage('global')
      return events.once(port2, 'message')
    }, globalThis.MessageChannel),
  names: () => [
    ...[MessageChannel, MessagePort, receiveMessageOnPort].map(({ name, length }) => [name, length]),
    ['name', 'length'].map((key) => MessagePort.prototype.postMessage[key]),
    MessageChannel === globalThis.MessageChannel,
    new MessageChannel() instanceof MessageChannel,
    Object.keys(threads),
    Object.keys(MessagePort.prototype),
  ],
}
async function main() {
  for (const [name, use] of Object.entries(ways)) console.log(name, JSON.stringify(await use()))
  // A port that nobody listens to any more keeps no program alive.
  const { port1, port2 } = new MessageChannel()
  port2.on('message', () => undefined).unref()
  port1.postMessage(1)
  // What a listener throws reaches the program, as it does alone.
  process.once('uncaughtException', ({ message }) => {
    console.log('caught', message)
    process.exit(3)
  })
  const last = new MessageChannel()
  last.port1.on('message', () => {
    throw new Error('on purpose')
  })
  last.port2.postMessage(1)
}

void main()
