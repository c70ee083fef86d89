# likely fit: what it writes, where, and what it says.
cp "$DATA/faithful.csv" "$DATA/iris.csv" .
likely fit faithful.csv | sed 's/, [0-9]* iterations//'
ls
echo == quiet
likely fit iris.csv -k 2 --quiet
ls *.lk
echo == place
mkdir here
(cd here && likely fit ../faithful.csv -q && ls)
likely fit iris.csv -k 1 -o here/one.lk | tail -1
gzip -c faithful.csv >packed.csv.gz
likely fit packed.csv.gz -q && ls packed*
cmp packed.lk faithful.lk && echo "gzip: same bytes"
echo == json
likely fit iris.csv -k 1 --json | json '[v["method"], v["n"], v["d"], round(v["log_likelihood"], 2), v["converged"]]'
likely fit iris.csv -k 1 --json --covariance spherical | json 'round(v["log_likelihood"], 2)'
likely fit iris.csv -k 1 --json --covariance diag | json 'round(v["log_likelihood"], 2)'
echo == standard input and output
likely fit - -q -k 2 -o stdin.lk <faithful.csv
likely fit faithful.csv -q -k 2 -o two.lk
cmp stdin.lk two.lk && echo "same bytes"
likely fit faithful.csv -k 2 -o - 2>said.txt | likely info - | head -2
head -1 said.txt
echo == not converged
try likely fit faithful.csv -k 3 --tol 1e-9 --max-iter 1 -q -o doubt.lk
likely info doubt.lk | grep converged
echo == held out
likely fit faithful.csv -k 2 --holdout 0.25 -o h.lk | grep -A2 held-out | sed 's/-\{0,1\}[0-9][0-9.]*/N/'
likely fit faithful.csv -k 2 --folds 5 --json -o h.lk | json '[v["held_out"]["kind"], v["held_out"]["folds"], v["held_out"]["rows"], -5 < v["held_out"]["mean_log_density"] < -3]'
echo == transform
likely fit faithful.csv -k 1 --transform log,standardize -o t.lk --json | json 'round(v["log_likelihood"], 3)'
likely fit faithful.csv -k 1 --transform standardize -o t.lk --json | json 'round(v["log_likelihood"], 3)'
likely fit faithful.csv -k 1 -o t.lk --json | json 'round(v["log_likelihood"], 3)'
try likely fit faithful.csv --transform cube -o t2.lk
echo == start and freeze
likely fit faithful.csv --start two.lk -o again.lk -k 2 --json | json '[v["converged"], v["iterations"] <= 5]'
likely fit faithful.csv --start two.lk --freeze means -k 2 -o frozen.lk -q
likely info two.lk --json | json '[c["mean"] for c in v["components"]]' >a
likely info frozen.lk --json | json '[c["mean"] for c in v["components"]]' | cmp - a && echo "means kept"
try likely fit faithful.csv --start nothing.lk -o x.lk
try likely fit iris.csv --start two.lk -o x.lk
echo == parameters
cat >p.json <<'END'
{"weights": [0.25, 0.75], "means": [[0, 0], [3, 1]], "covariances": [[[1, 0.5], [0.5, 2]], [[1, 0], [0, 1]]],
 "columns": ["a", "b"]}
END
likely fit --params p.json
printf 'a,b\n0,0\n3,1\n' | likely density p.lk - | awk '{ if (NR > 1) printf "%.9f\n", $1 }'
likely fit --params - -q -o q.lk <p.json && cmp p.lk q.lk && echo "same from standard input"
printf '{"weights": [1], "means": [[0, 0]], "covariances": [[[1, 2], [2, 1]]]}' >bad.json
try likely fit --params bad.json
printf '{"weights": [1], "means": ' >bad.json
try likely fit --params bad.json
try likely fit --params absent.json
try likely fit --params p.json --components 3 -o no.lk
try likely fit --params p.json --covariance diag -o no.lk
try likely fit --params p.json --tol 1e-3 -o no.lk
likely fit --params p.json --components 2 --covariance VVV -q -o q.lk && likely info q.lk | head -1
ls no.lk 2>/dev/null
ls bad* absent* 2>/dev/null
echo == never over its own data
cp faithful.csv own.lk
try likely fit own.lk -q -o own.lk
cmp own.lk faithful.csv && echo untouched
echo == moves
likely fit iris.csv -k 3 --init random --restarts 1 --moves 5 -q -o moved.lk
likely info moved.lk | grep -E '^(starts|moves)'
likely info moved.lk --json | json 'sorted(v["search"])'
try likely fit faithful.csv --start two.lk --moves 2 -o x.lk
echo == partition
likely fit iris.csv --partition Species -o parted.lk | grep -E '^(method|features|starts)'
likely info parted.lk --json | json 'v["search"]["partition"]'
likely fit iris.csv --partition Species -q --threads 2 -o two.lk && cmp parted.lk two.lk && echo "threads do not matter"
try likely fit iris.csv --partition Species -k 2 -o x.lk
try likely fit iris.csv --partition Petal.Width -o x.lk
try likely fit iris.csv --partition Speces -o x.lk
try likely fit --params p.json --partition a -o x.lk
