// SPDX-License-Identifier: MIT
// A worker (see bench/worker.h) that evaluates a JavaScript expression.
const run = new Function("crypto", "n", `for (let i = 0; i < n; i++) ${process.argv[2]}`)
const crypto = require("crypto")

console.log("{}")
require("readline").createInterface({ input: process.stdin }).on("line", line => {
	const calls = Number(line.split(" ")[2])
	const start = process.hrtime.bigint()
	run(crypto, calls)
	const ns = process.hrtime.bigint() - start
	console.log(`${ns} ${ns} 0`)
})
