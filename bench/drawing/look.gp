# SPDX-License-Identifier: MIT
#
# How all pictures look. Given: paper, ink and faint, colours. Narrow and with large
# letters, so that a phone, which shows it smaller, still shows it legibly.

set encoding utf8
set terminal svg size 500,620 fixed noenhanced font 'sans-serif,17' background rgb paper

set logscale xy
set border 3 lc rgb ink lw 1
set tics nomirror out scale 0.6 textcolor rgb ink
set xtics offset 0,0.4
set grid xtics ytics back lc rgb faint lw 1 dt solid
set title textcolor rgb ink font ',19' offset 0,-0.5
set xlabel textcolor rgb ink offset 0,0.7
# All have the same frame, and below it, where they cover no line, the names.
set lmargin at screen 0.205
set rmargin at screen 0.955
set tmargin at screen 0.925
set bmargin at screen 0.375
set key at screen 0.015,0.255 left top vertical maxrows 5 Left reverse samplen 2.4 \
	spacing 1.25 width -3 textcolor rgb ink font ',15.5'
