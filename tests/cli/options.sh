# Wrong usage: exit 2, one line that says what would be right.
m=model.lk
try likely fit d.csv --componets 3
try likely fit d.csv --max_itr 3
try likely fit d.csv --xyzzy
try likely fit d.csv -z
try likely fit d.csv --components zero
try likely fit d.csv --components 0
try likely fit d.csv --components 9..1
try likely fit d.csv --components 1,x
try likely fit d.csv --covariance ful
try likely fit d.csv --covariance full,round
try likely fit d.csv --tol fast
try likely fit d.csv --tol -1
try likely fit d.csv --restarts 1.5
try likely fit d.csv --seed -1
try likely fit d.csv --threads 0
try likely fit d.csv --threads 99999
try likely fit d.csv --memory lots
try likely fit d.csv --memory 0
try likely fit d.csv --memory 12X
try likely fit d.csv --holdout 1.5
try likely fit d.csv --folds 1
try likely fit d.csv --holdout 0.5 --folds 5
try likely fit d.csv --model gm
try likely fit d.csv --output
try likely fit d.csv --output ''
try likely fit d.csv --quiet=maybe
try likely fit d.csv extra.csv
try likely fit d.csv --params p.json
try likely fit --params p.json --holdout 0.2
try likely fit -
try likely fit d.csv -o - --json
try likely fit d.csv --delimiter ab
try likely fit d.csv --header --no-header
try likely sample $m -n many
try likely sample $m -n -3
try likely density $m d.csv --format xls
try likely density $m d.csv --proba
try likely help --completion ksh
try likely plot $m -o figure.jpeg
try likely models gnn
try likely --seed
# Spellings that mean the same.
cp "$DATA/faithful.csv" .
likely fit faithful.csv --components 2 --max-iter 500 -o a.lk -q
likely fit --quiet --components=2 --max_iter=500 --output=b.lk -- faithful.csv
likely fit -k2 -qob.lk faithful.csv 2>/dev/null || echo "letters are not joined: exit $?"
likely fit -k 2 -q --max-iter 500 -oc.lk faithful.csv --components 2
cmp a.lk b.lk && cmp a.lk c.lk && echo same
# The last of a repeated option counts; -- ends the options.
likely sample a.lk -n 5 -n3 | wc -l
cp faithful.csv ./-x.csv
likely convert -q -- -x.csv | head -2
