# What follows from the score alone: densities by the flow, missing values, predictions on a path, schedules.
cat >p.json <<'EOF'
{"weights": [1], "means": [[1, -2]], "covariances": [[[1, 0.5], [0.5, 2]]], "columns": ["x", "y"]}
EOF
likely fit --params p.json -q || exit 1
printf 'x,y\n1,-2\n0,1\n2,\n' >d.csv
short() { awk -F, 'NR == 1 { print; next } { for (i = 1; i <= NF; i++) if ($i ~ /^-?[0-9.]+(e-?[0-9]+)?$/) { v = sprintf("%.4f", $i); sub(/^-0.0000$/, "0.0000", v); $i = v } print }' OFS=,; }
echo == density by the flow
likely density p.lk d.csv -q | head -3 | short
likely density p.lk d.csv --by-flow -q | short
likely density p.lk d.csv --by-flow --probes 4 -q --threads 2 >a; likely density p.lk d.csv --by-flow --probes 4 -q --threads 1 | cmp - a && echo "threads do not matter"
echo == missing values: y given x = 2 has mean -1.5 and variance 1.75
printf 'x,y\n2,\n' >gap.csv
likely impute p.lk gap.csv --sampler dpm --draws 4000 -q | awk -F, 'NR > 1 { n++; s += $4; q += $4 * $4 } END { m = s / n; v = q / n - m * m; print (m > -1.6 && m < -1.4 && v > 1.6 && v < 1.9) ? "as it should be" : m " " v }'
echo == predictions: data and noise add up to the row
likely score p.lk d.csv --as data --schedule flow --time .25 -q | short
likely score p.lk d.csv --as noise --schedule flow --time .25 -q | short
likely score p.lk d.csv --as velocity --schedule flow --time .25 -q | short
echo == schedules
likely schedule p.lk --schedule flow --steps 3 --sigma-max 3 --sigma-min 1 2>/dev/null | cut -d, -f1-4 | short
likely schedule p.lk --steps 3 -o a.csv 2>err; sed 's/[0-9.]*[0-9]/N/g' err
echo == samplers
likely sample p.lk -n 2000 --sampler gaussian-start -o a.csv 2>err; sed 's/[0-9.]*[0-9]/N/g' err
likely sample p.lk -n 100 --sampler chained --threads 2 >a; likely sample p.lk -n 40 --sampler chained --threads 1 -q | cmp - a 2>&1 | sed 's/after.*//'
echo == wrong
try likely density p.lk d.csv --probes 3
try likely density p.lk d.csv --by-flow --per-dim
try likely impute p.lk gap.csv --steps 30
try likely score p.lk d.csv --as data
try likely score p.lk d.csv --time .5
try likely score p.lk d.csv --as data --time 0
try likely schedule p.lk --schedule straight
