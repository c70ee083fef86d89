# compare: divergences, bounds and distances of two models.
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
echo == wrong
try likely compare a.lk
try likely compare a.lk x.lk
try likely compare x.lk a.lk
try likely compare a.lk l.csv
try likely compare - -
try likely compare a.lk b.lk --draws 1
try likely compare a.lk nothing.lk
