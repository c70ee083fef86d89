# What follows from scores: density --sigma, score --sigma, denoise.
cat >p.json <<'END'
{"weights": [1], "means": [[1, -2]], "covariances": [[[4, 0], [0, 9]]], "columns": ["x", "y"]}
END
likely fit --params p.json -q || exit 1
round() { awk -F, 'NR == 1 { print; next } { for (i = 1; i <= NF; i++) if ($i ~ /^-?[0-9.]+(e-?[0-9]+)?$/) $i = sprintf("%.9g", $i); print }' OFS=,; }
printf 'id,x,y\n1,5,4\n2,,4\n' >d.csv
echo == smoothed: variances 4 + 1, 9 + 16
likely score p.lk d.csv --sigma x=1,y=4 --id id | round
likely density p.lk d.csv --sigma x=1,2=4 -q | round
likely score p.lk d.csv --sigma 1 -q | round
likely score p.lk d.csv --sigma 0 -q | round
echo == denoised
likely denoise p.lk d.csv --sigma x=1,y=4 --id id | round
likely denoise p.lk d.csv --sigma x=1 -q | round
for i in $(seq 3000); do echo "$i,5,4"; done | sed '1i id,x,y' >long.csv
likely denoise p.lk long.csv --sigma 2 --threads 2 >a
likely denoise p.lk - --sigma 2 --threads 1 <long.csv | cmp - a && echo "threads and pipes do not matter"
echo == modes: two normals and what is left of them under noise
cat >two.json <<'END'
{"weights": [0.5, 0.5], "means": [[-2, 0], [2, 0]], "covariances": [1, 1], "columns": ["x", "y"]}
END
likely fit --params two.json -q || exit 1
short() { awk -F, 'NR == 1 { print; next } { for (i = 1; i <= NF; i++) if ($i ~ /^-?[0-9.]+(e-?[0-9]+)?$/) { v = sprintf("%.5f", $i); sub(/^-0.00000$/, "0.00000", v); $i = v } print }' OFS=,; }
likely modes two.lk | cut -d, -f1-4,7- | short
likely modes two.lk --by-component --json
likely modes two.lk --sigma 2 | cut -d, -f1-4,7- | short
printf 'y,x,z\n1,3,a\n0,-1,b\n0,5,c\n' >rows.csv
likely modes two.lk rows.csv | short
likely modes two.lk rows.csv --by-row --format tsv
printf 'x,y\n1,3\n,1\n' | likely modes two.lk - --by-row
echo "exit $?"
echo == sample by the score
mean() { awk -F, 'NR > 1 { n++; s += $1; q += $1 * $1 } END { m = s / n; v = q / n - m * m; print (m > .85 && m < 1.15 && v > 3.6 && v < 4.4) ? "mean 1, variance 4" : m " " v }'; }
likely sample p.lk -n 6000 --sampler mala -q | mean
likely sample p.lk -n 6000 --sampler heun -q | mean
likely sample p.lk -n 3 --sampler heun --steps 20 -q >a
likely sample p.lk -n 3000 --sampler heun --steps 20 -q --threads 2 | head -4 | cmp - a && echo "row i is row i"
likely sample p.lk -n 400 --sampler mala --steps 200 -o a.csv 2>err; sed 's/[0-9]*\.[0-9]*/N/g' err
likely sample p.lk -n 400 --sampler heun -o a.csv 2>err; sed 's/[0-9]*\.[0-9e-]*[0-9]/N/g' err
likely sample p.lk -n 10 --given x=3 --sampler heun -q --seed 2 | cut -d, -f1 | sort -u
sed 's/2, 0/30, 0/' two.json >far.json && likely fit --params far.json -q && likely sample far.lk -n 200 --sampler mala -o a.csv 2>err
echo "exit $?"
sed 's/[0-9]*\.[0-9]*/N/g' err
echo == wrong
try likely denoise p.lk d.csv
try likely denoise p.lk d.csv --sigma -1
try likely denoise p.lk d.csv --sigma much
try likely denoise p.lk d.csv --sigma nan
try likely score p.lk d.csv --sigma z=1
try likely density p.lk d.csv --sigma x=1e200
try likely modes two.lk --by-row
try likely modes two.lk rows.csv --draws 5
try likely modes two.lk rows.csv --by-row --by-component
try likely modes two.lk --draws -1
printf 'a,b\n1,2\n' | try likely modes two.lk - --sigma 1
try likely sample p.lk --sampler gibbs
try likely sample p.lk --steps 100
try likely sample p.lk --sampler hein
try likely sample p.lk --sampler dpm --churn 2
try likely sample p.lk --sampler reflection
try likely sample p.lk --sampler heun --schedule linear
try likely sample p.lk --sampler heun --step-size 1
try likely sample p.lk --sampler mala --steps 3
try likely sample p.lk --sampler mala --sigma-min 5
sed 's/"y"/"mass"/' two.json >taken.json && likely fit --params taken.json -q && try likely modes taken.lk
