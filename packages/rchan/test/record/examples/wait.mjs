export default (ms) => new Promise((done) => setTimeout(done, ms, ms))
