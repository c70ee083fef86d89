# compare: divergences, bounds and distances of two models; tests of two tables.
echo '{"weights": [1], "means": [[0, 0]], "covariances": [[[1, 0], [0, 1]]], "columns": ["x", "y"]}' >a.json
echo '{"weights": [1], "means": [[0, 1]], "covariances": [[[4, 0], [0, 1]]], "columns": ["y", "x"]}' >b.json
echo '{"weights": [0.5, 0.5], "means": [[-3, 0], [3, 0]], "covariances": [[[1, 0], [0, 1]], [[1, 0], [0, 1]]], "columns": ["x", "y"]}' >m.json
echo '{"weights": [1], "means": [[0]], "covariances": [[[1]]], "columns": ["x"]}' >x.json
for f in a b m x; do likely fit --params $f.json -q || exit 1; done
echo == two normal distributions
likely compare a.lk b.lk >out
sed -n 1,6p out
likely compare a.lk b.lk --json | json 'v["features"], v["draws"], round(v["kl"]["lower"], 9), round(v["kl_reverse"]["upper"], 9), round(v["wasserstein"], 9), v["plan"], v["unavailable"]'
likely compare a.lk b.lk --json --draws 1000 -o r.json && json 'v["draws"], sorted(v)' <r.json
echo == a mixture
likely compare m.lk a.lk | sed -n '/L2/,$p' | sed 's/[0-9]\.[0-9]*/#/'
likely compare m.lk m.lk | sed -n 4,12p | sed 's/[0-9.]*e-[0-9]*/tiny/'
likely compare m.lk a.lk --draws 5000 --seed 4 >p
likely compare m.lk a.lk --draws 5000 --seed 4 --threads 1 | cmp - p && echo "the same for the same seed"
likely compare m.lk a.lk --draws 5000 --seed 5 | cmp -s - p || echo "another estimate for another"
likely compare - a.lk <m.lk | sed -n 1,2p
echo == no closed forms
awk 'BEGIN { print "x"; for (i = 1; i <= 40; i++) printf "%.6f\n", exp(i % 7 / 3) }' >l.csv
likely fit l.csv --transform log --components 1 -q
likely compare l.lk x.lk | sed -n '4,$p' | sed 's/[0-9]\.[0-9]*/#/g; s/  */ /g'
likely compare x.lk l.lk --json | json 'v["kl"], v["plan"], v["unavailable"]'
echo == two tables
awk 'BEGIN { print "x,y,who"; for (i = 0; i < 60; i++) printf "%.4f,%.4f,%s\n", sin(7 * i) * 2, cos(11 * i * i), i % 3 }' >s.csv
awk 'BEGIN { print "y,x,extra"; for (i = 0; i < 50; i++) printf "%.4f,%.4f,%d\n", cos(5 * i * i + 1), sin(7 * i + 2) * 2 + 1, i; print ",3,4" }' >t.csv
likely compare s.csv t.csv --features x,y --json >r.json
json 'v["test"], v["features"], v["rows"], v["left_out"], v["p"], v["law"], [f["feature"] for f in v["by_feature"] if f["p"] < 0.05], v["witness"][0]["table"]' <r.json
likely compare s.csv t.csv --features x,y | sed 's/[0-9.]*[0-9]\.[0-9]*/#/g; s/  */ /g' | head -12
for t in mmd cross-mmd kid energy sliced-energy c2st; do likely compare s.csv t.csv --features x,y --test $t --json | json 'v["test"], v["p"] < .05, v["law"]'; done
likely compare - t.csv --features x,y --test energy <s.csv | sed -n 1,2p
likely compare s.csv t.csv --features y,x --test energy --permutations 99 --threads 1 >p
likely compare s.csv t.csv --features y,x --test energy --permutations 99 --threads 2 | cmp - p && echo "the same on any number of threads"
echo == one table
awk 'BEGIN { print "a,b,c"; for (i = 0; i < 80; i++) { x = sin(7 * i) * 2; printf "%.4f,%.4f,%.4f\n", x, x * x + 0.3 * cos(11 * i * i), cos(5 * i * i + 1) } }' >u.csv
likely compare u.csv --independence 'a|b' | sed 's/[0-9.]*[0-9]\.[0-9]*/#/g'
likely compare u.csv --independence 'b|a,c' --test dcorr --json | json 'v["test"], v["features"], v["left"], v["rows"], v["p"], v["b"]'
likely compare u.csv --independence 'a|c' --json | json 'v["test"], v["p"] > .05'
echo == a model and a table
printf 'x,y\n0,0\n-9,0\n' >edge.csv
likely fit s.csv --features x,y -k 1 -q -o s.lk
likely compare s.lk t.csv --features x,y | sed 's/[0-9.]*[0-9]\.[0-9]*/#/g'
likely compare s.lk s.csv --json | json 'v["test"], v["rows"], v["law"], v["permutations"], v["p"] > .05, v["data"], v["model"]'
likely compare s.lk s.csv --kernel inverse_multiquadric --refit --permutations 19 --json | json 'v["kernel"], v["law"], v["p"] > .05'
likely compare s.lk t.csv --boundary edge.csv --threads 1 >p
likely compare s.lk t.csv --boundary edge.csv --threads 2 | cmp - p && sed -n 's/  */ /g; /^boundary/p' p
echo == wrong
try likely compare t.csv s.lk
try likely compare s.lk l.csv
try likely compare s.lk t.csv --test mmd
try likely compare s.csv t.csv --refit
try likely compare s.lk t.csv --boundary nothing.csv
try likely compare a.lk
try likely compare a.lk x.lk
try likely compare x.lk a.lk
try likely compare l.csv a.lk
try likely compare - -
try likely compare a.lk b.lk --draws 1
try likely compare a.lk nothing.lk
try likely compare s.csv t.csv --test student
try likely compare s.csv t.csv --features who
try likely compare s.csv nothing.csv
try likely compare u.csv
try likely compare u.csv --independence 'a,b'
try likely compare u.csv t.csv --independence 'a|b'
try likely compare u.csv --independence 'a|z'
