// SPDX-License-Identifier: MIT

// A worker (see bench/worker.h) that reads 16 bytes with crypto/rand.
package main

import (
	"crypto/rand"
	"fmt"
	"time"
)

func main() {
	var size, calls, threads, cpu int

	buffer := make([]byte, 16)
	fmt.Println("{}")
	for {
		_, err := fmt.Scanf("time %d %d %d %d\n", &size, &calls, &threads, &cpu)
		if err != nil {
			return
		}
		start := time.Now()
		for i := 0; i < calls; i++ {
			rand.Read(buffer)
		}
		ns := time.Since(start).Nanoseconds()
		fmt.Println(ns, ns, 0)
	}
}
