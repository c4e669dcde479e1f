const { expose } = require('threads/worker')

expose({ double: (n) => n * 2 })
