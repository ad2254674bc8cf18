# SPDX-License-Identifier: MIT
# A worker (see bench/worker.h) that evaluates a Ruby expression.
require "openssl"
require "securerandom"

run = eval("proc { |n| n.times { #{ARGV[0]} } }")
$stdout.sync = true
puts "{}"
$stdin.each_line do |line|
  start = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
  run.call(line.split[2].to_i)
  ns = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond) - start
  puts "#{ns} #{ns} 0"
end
