export default (n) => n

/** The pool calls it before it ends the worker. It is no task of the program. */
export async function teardown() {
  await new Promise((done) => setTimeout(done, 1))
}
