// Its function comes later than its module.
export default new Promise((done) => setTimeout(done, 20, (what) => what))
