# intervals: how sure a model's parameters are.
cp "$DATA/faithful.csv" "$DATA/iris.csv" .
likely fit faithful.csv -k 1 -q --tol 1e-12 -o one.lk
echo == intervals
likely intervals one.lk faithful.csv | sed 's/, [^ ]* standard errors/, few standard errors/'
awk -F, 'NR > 1 { n++; s += $2; q += $2 * $2 } END { m = s / n; v = q / n - m * m; printf "closed form: %.6g %.6g\n", sqrt(v / n), v * sqrt(2 / n) }' faithful.csv
likely fit faithful.csv -k 2 --covariance tied -q -o tied.lk
likely intervals tied.lk faithful.csv --level .9 | sed -n '2,$p' | awk '{ print $1, $2, $3 }'
likely intervals tied.lk faithful.csv --json | json 'sorted(v), len(v["intervals"]), sorted(v["intervals"][-2]), v["intervals"][-2]["with"], v["intervals"][-1]["component"]'
likely intervals tied.lk faithful.csv --threads 1 >a; likely intervals tied.lk faithful.csv --threads 2 -o b; cmp a b && echo "threads do not matter"
awk -F, 'NR == 1 { print $0 ",w"; next } { print $0 ",2" }' faithful.csv >w.csv
awk 'NR == 1 { print; next } { print; print }' faithful.csv >twice.csv
likely intervals tied.lk w.csv --weight w | sed 1d >a; likely intervals tied.lk twice.csv | sed 1d | cmp - a && echo "a weight of 2 is the row twice"
echo == bootstrap
likely intervals tied.lk faithful.csv --method bootstrap --draws 60 --threads 1 >a
likely intervals tied.lk faithful.csv --method bootstrap --draws 60 --threads 2 | cmp - a && echo "threads do not matter"
likely intervals tied.lk faithful.csv --method bootstrap --draws 60 --seed 2 | cmp -s - a || echo "another seed, other draws"
head -2 a
awk '/variance eruptions/ { print $1, $2, $3, ($5 > 0.0085 && $5 < 0.0145) ? "near 0.0115, by the information" : $5 }' a
likely intervals tied.lk faithful.csv --method weighted --draws 20 --json | json '[v[k] for k in ("method", "draws", "used", "left_out", "unconverged", "level")], len(v["intervals"])'
echo == wrong
try likely intervals one.lk iris.csv
try likely intervals one.lk faithful.csv --draws 10
try likely intervals one.lk faithful.csv --method jackknife
try likely intervals one.lk faithful.csv --method bootstrap --draws 1
try likely intervals one.lk faithful.csv --level 1
try likely intervals one.lk faithful.csv --weight w
try likely intervals one.lk faithful.csv --levle .9
head -100 faithful.csv >part.csv
try likely intervals tied.lk part.csv -o part.txt
printf 'eruptions,waiting\n2,50\n3,60\n' >two.csv
try likely intervals tied.lk two.csv
echo == lrt
likely lrt faithful.csv -k 1..3 --covariance full --draws 39 --threads 1 >a
likely lrt faithful.csv -k 1..3 --covariance full --draws 39 --threads 2 | cmp - a && echo "threads do not matter"
awk '/against/ { print $1, $2, $3, $4, $5, $6, $8, $9 } /reject/' a
likely lrt faithful.csv -k 1..2 --covariance tied --draws 19 --json | json 'sorted(v), sorted(v["steps"][0]), v["components"], v["ended"], v["steps"][0]["p_value"]'
try likely lrt faithful.csv -k 2
try likely lrt faithful.csv -k 1,3
try likely lrt faithful.csv -k 1..2 --covariance full,tied
try likely lrt faithful.csv -k 1..2 --alpha 0
try likely lrt faithful.csv -k 1..2 --draws 18
try likely lrt faithful.csv -k 1..2 --alpha .0005
try likely lrt faithful.csv -k 1..2 --draws none
sed 's/,2$/,0.5/' w.csv >half.csv
try likely lrt half.csv -k 1..2 --weight w
echo == stability
likely fit faithful.csv -k 2 -q -o f2.lk
likely stability f2.lk faithful.csv --draws 20 --threads 1 >a
likely stability f2.lk faithful.csv --draws 20 --threads 2 | cmp - a && echo "threads do not matter"
awk 'NR == 1 { print $1, $2, $3, $4, $5, $6, $7 } /Rand/ { print ($5 > .95) ? "stable" : $5 } /^ +[01] / { print $1, ($3 > .95) ? "stable" : $3, $4, $5, $6 }' a
likely stability f2.lk faithful.csv --draws 5 --method subsample --share .8 --json | json 'sorted(v), sorted(v["adjusted_rand"]), sorted(v["groups"][0]), v["method"], v["used"]'
likely fit faithful.csv -k 2 --noise -q -o noise.lk && likely stability noise.lk faithful.csv --draws 5 -q | awk 'END { print $1, $2, $3 }'
try likely stability one.lk faithful.csv
try likely stability f2.lk faithful.csv --share .5
try likely stability f2.lk faithful.csv --method subsample --share 1
try likely stability f2.lk iris.csv
