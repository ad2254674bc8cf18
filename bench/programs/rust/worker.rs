// SPDX-License-Identifier: MIT

//! A worker (see bench/worker.h) that calls one of three crates.

use rand::RngCore;
use std::io::BufRead;
use std::time::Instant;

fn run(calls: u64, mut call: impl FnMut()) {
    for _ in 0..calls {
        call();
    }
}

fn main() {
    let kind = std::env::args().nth(1).unwrap_or_default();
    let mut buffer = [0u8; 16];

    println!("{{}}");
    for line in std::io::stdin().lock().lines() {
        let calls = line.unwrap().split(' ').nth(2).unwrap().parse().unwrap();
        let start = Instant::now();
        match kind.as_str() {
            "getrandom" => run(calls, || getrandom::getrandom(&mut buffer).unwrap()),
            "uuid" => run(calls, || buffer = *uuid::Uuid::new_v4().as_bytes()),
            _ => run(calls, || rand::thread_rng().fill_bytes(&mut buffer)),
        }
        let ns = start.elapsed().as_nanos();
        assert!(calls == 0 || buffer != [0; 16]);
        println!("{ns} {ns} 0");
    }
}
