import { scryptSync } from 'node:crypto'

export default (secret) => scryptSync(secret, 'salt', 64, { N: 1024 }).toString('hex')
