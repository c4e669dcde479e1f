// Removes the folder in which it is recorded, as a script might that cleans up.
const { rmSync } = require('node:fs')

const { RCHAN_DIR: dir } = process.env
if (dir !== undefined) rmSync(dir, { recursive: true })
setTimeout(() => console.log('removed'), 300)
