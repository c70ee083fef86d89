# density, score, cluster, sample: columns and values.
cat >p.json <<'END'
{"weights": [0.5, 0.5], "means": [[0, 0], [10, 0]], "covariances": [1, 4], "covariance": "spherical", "columns": ["a", "b"]}
END
likely fit --params p.json -q || exit 1
printf 'id,a,b,kind\np,0,0,u\nq,10,0,v\nr,5,5,u\ns,1e200,0,v\n' >d.csv
round() { awk -F, 'NR == 1 { print; next } { for (i = 1; i <= NF; i++) if ($i ~ /^-?[0-9.]+(e-?[0-9]+)?$/) $i = sprintf("%.9g", $i); print }' OFS=,; }
# log(.5 / 2 pi) and log(.5 / 8 pi) where the other component is far away.
likely density p.lk d.csv | round
likely density p.lk d.csv --per-dim | round
likely density p.lk d.csv --id id | round
printf 'id,a,b\n007,0,0\n9007199254740993,10,0\n' | likely density p.lk - --id id | cut -d, -f1
likely density p.lk d.csv --keep | round
likely density p.lk d.csv --json | cut -c1-25
likely score p.lk d.csv | head -4 | round
likely cluster p.lk d.csv --keep
likely cluster p.lk d.csv --proba | head -3 | round
echo == the same row alone or among others
sed -n '1p;4p' d.csv | likely density p.lk - | tail -1 >alone
likely density p.lk d.csv | sed -n 4p | cmp - alone && echo same
echo == sample
likely sample p.lk -n 3 | head -1
likely sample p.lk | wc -l
likely sample p.lk -n 0
likely sample p.lk -n 1000 >a
likely sample p.lk -n 10 | cmp - $(head -11 a >b; echo b) && echo "row i is row i"
likely sample p.lk -n 1000 --seed 2 | cmp -s - a || echo "another seed, other rows"
likely sample p.lk -n 1000 --threads 1 | cmp - a && echo "threads do not matter"
awk -F, 'NR > 1 { n++; s += ($1 > 4.5) } END { print (s / n > .45 && s / n < .55) ? "half and half" : "not half and half" }' a
likely sample p.lk -n 2 --json | json '"one object" ' 2>/dev/null || likely sample p.lk -n 1 --json | json 'sorted(v)'
echo == names that collide
printf 'a,b,log_density\n0,0,1\n' >c.csv
try likely density p.lk c.csv --keep
try likely density p.lk c.csv --id a,b,log_density
