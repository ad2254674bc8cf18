# SPDX-License-Identifier: MIT
# A worker (see bench/worker.h) that evaluates a Perl expression with a module.
use strict;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($module, $expression) = @ARGV;
my $run = eval("use $module; my \$id; sub { for (1 .. \$_[0]) { $expression } }") or die $@;
$| = 1;
print "{}\n";
while (<STDIN>) {
	my $calls = (split)[2];
	my $start = clock_gettime(CLOCK_MONOTONIC);
	$run->($calls);
	my $ns = int(1e9 * (clock_gettime(CLOCK_MONOTONIC) - $start));
	print "$ns $ns 0\n";
}
