<?php // SPDX-License-Identifier: MIT
# A worker (see bench/worker.h) that evaluates a PHP expression.
$run = eval('return function (int $n) { for ($i = 0; $i < $n; $i++) ' . $argv[1] . '; };');
echo "{}\n";
while ($line = fgets(STDIN)) {
	$calls = (int)explode(' ', $line)[2];
	$start = hrtime(true);
	$run($calls);
	$ns = hrtime(true) - $start;
	echo "$ns $ns 0\n";
}
