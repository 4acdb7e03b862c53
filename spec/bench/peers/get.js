// get.js URL COUNT CONNECTIONS: gets, decoded, with undici's pool.
'use strict'
const { Pool } = require('undici')

const [url, count, connections] = process.argv.slice(2)
const { origin, pathname } = new URL(url)
const authorization = 'Basic ' + Buffer.from(process.env.BENCH_USER).toString('base64')
const pool = new Pool(origin, { connections: Number(connections), pipelining: 1 })
let left = Number(count)

async function work () {
  while (left-- > 0) {
    const { statusCode, body } = await pool.request({ path: pathname, method: 'GET', headers: { authorization } })
    const mirror = await body.json()
    if (statusCode !== 200 || !mirror.id) throw new Error(`status ${statusCode}`)
  }
}

async function main () {
  const began = process.hrtime.bigint()
  await Promise.all(Array.from({ length: Number(connections) }, work))
  console.log('seconds', (Number(process.hrtime.bigint() - began) / 1e9).toFixed(6))
  await pool.close()
}

main()
