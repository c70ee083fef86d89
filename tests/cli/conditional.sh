# condition, marginal, predict, impute, sample --given, and rows with missing values.
cat >p.json <<'END'
{"weights": [1], "means": [[1, -2, 0]], "covariances": [[[4, 3, 0], [3, 9, 0], [0, 0, 1]]], "columns": ["x", "y", "z"]}
END
likely fit --params p.json -q || exit 1
round() { awk -F, 'NR == 1 { print; next } { for (i = 1; i <= NF; i++) if ($i ~ /^-?[0-9.]+(e-?[0-9]+)?$/) $i = sprintf("%.9g", $i); print }' OFS=,; }
printf 'id,x,y,kind\n1,2.5,,u\n2,,4,v\n3,,,u\n4,1,7,v\n' >d.csv
echo == condition
likely condition p.lk --given x=2.5 -o c.lk
likely info c.lk | tail -2
likely info c.lk --json | json 'v["n"], v["columns"], v["components"][0]["mean"], v["components"][0]["covariance"]'
try likely condition p.lk --given ' z = -1e-3 , 1=2' -o c2.lk --json | json 'v["remarks"], v["columns"]'
likely condition p.lk --given x=2.5 -o - -q | likely sample - -n 2 --seed 3 >a
likely sample p.lk -n 2 --seed 3 --given x=2.5 | cut -d, -f2,3 | cmp - a && echo "sample --given draws from it"
echo == marginal
likely marginal p.lk --features z,x -o m.lk
printf 'z,x\n0,1\n' | likely density m.lk - | round
echo == sample --given
likely sample p.lk -n 2 --given z=7 | cut -d, -f3
likely sample p.lk -n 20000 --given x=2.5 | awk -F, 'NR > 1 { n++; s += $2; q += $2 * $2 } END { m = s / n; print (m > -.95 && m < -.8) ? "mean" : m, (q / n - m * m > 6.5 && q / n - m * m < 7) ? "variance" : q / n - m * m }'
likely sample p.lk -n 3 --given x=2.5 --threads 1 >a
likely sample p.lk -n 5000 --given x=2.5 --threads 2 | head -4 | cmp - a && echo "row i is row i"
echo == predict
likely predict p.lk d.csv --target y --keep | round
likely predict p.lk d.csv --target 2,z --quantiles .25 -q | round
likely predict p.lk d.csv --target x --quantiles none --id id -q | round
printf 'x\n2.5\n' | likely predict p.lk - --target y --quantiles none | round
printf 'x,y,z\n2.5,text,0\n2.5,other,0\n' | likely predict p.lk - --target y --quantiles none | round
echo == impute
printf 'id,x,y,kind,z\n1,2.5,,u,0.50\n2,,4,v,\n3,,,u,\n4,1,7,v,3\n' >g.csv
likely impute p.lk g.csv | round
likely impute p.lk g.csv --draws 2 -q >two
head -1 two
cut -d, -f1-4,6 two | sed -n '2,3p;8,9p'
likely impute p.lk g.csv --draws 3 -q | grep -v '^[0-9]*,2,' | cmp - two && echo "more draws, the same first ones"
likely impute p.lk g.csv --draws 2 -q --seed 2 | cmp -s - two || echo "another seed, other draws"
likely impute p.lk g.csv -o i.jsonl && sed -n 2p i.jsonl | json 'v["id"], v["kind"], round(v["x"], 9), round(v["x_sd"], 9), v["y_sd"]'
for i in $(seq 300); do cat g.csv; done | awk 'NR == 1 || !/^id/' >long.csv
likely impute p.lk long.csv --draws 2 -q --threads 2 --memory 1M >a
likely impute p.lk - --draws 2 -q --threads 1 <long.csv | cmp - a && echo "threads and pipes do not matter"
echo == incomplete rows
printf 'x,y,z\n1,,0\n,,\n1,-2,0\n' >n.csv
likely density p.lk n.csv | round
likely density p.lk n.csv --per-dim -q | round
likely cluster p.lk n.csv -q
likely score p.lk n.csv -q | round
echo == wrong
try likely condition p.lk --given x=2.5
try likely condition p.lk -o o.lk
try likely condition p.lk --given x -o o.lk
try likely condition p.lk --given x= -o o.lk
try likely condition p.lk --given x=inf -o o.lk
try likely condition p.lk --given x=nan -o o.lk
try likely condition p.lk --given x=0x10 -o o.lk
try likely condition p.lk --given w=1 -o o.lk
try likely condition p.lk --given x=1,x=2 -o o.lk
try likely condition p.lk --given x=1,y=1,z=1 -o o.lk
try likely condition p.lk --given x=1 -o - --json
try likely marginal p.lk --features 4 -o o.lk
try likely sample p.lk --given x=one
try likely predict p.lk d.csv
try likely predict p.lk d.csv --target q
try likely predict p.lk d.csv --target y --quantiles 1
try likely predict p.lk d.csv --target y --quantiles .1,half
try likely predict p.lk d.csv --target y --quantiles .5,0.50
printf 'a\n1\n' | try likely predict p.lk - --target y
try likely impute p.lk d.csv
try likely impute p.lk g.csv --draws 0
printf 'x,y,z,x_sd\n1,2,3,4\n' | try likely impute p.lk -
printf 'row,x,y,z\n1,2,3,4\n' | try likely impute p.lk - --draws 1
[ -e o.lk ] && echo "o.lk was made"
echo == through a logarithm
awk 'BEGIN { print "a,b"; for (i = 1; i <= 40; i++) printf "%.6f,%.6f\n", exp(i % 7 / 3), exp(i % 5 / 3 + i % 7 / 9) }' >l.csv
likely fit l.csv --transform log --components 1 -q
printf 'a,b\n2,\n-1,\n,\n' >m.csv
likely predict l.lk m.csv --target b | round
likely impute l.lk m.csv | round
try likely condition l.lk --given a=-1 -o o.lk
