// Loaded before rchan: notes when code is made from text, on the clock of the trace.
const times = (globalThis.compileTimes = [])
const { hrtime } = process
globalThis.Function = new Proxy(Function, {
  construct(target, args) {
    times.push(hrtime.bigint())
    return Reflect.construct(target, args)
  },
})
