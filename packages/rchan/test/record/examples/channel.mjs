// In a child process of a pool: talks with its parent.
export default () =>
  new Promise((done) => {
    process.on('message', (message) => {
      if (message !== 'hello child') return
      process.send({ said: 'hello parent' })
      done('heard')
    })
  })
