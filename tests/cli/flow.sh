# flow and similarity: new rows, posteriors, private synopses; refusals.
awk 'BEGIN { srand(5); print "a,b,kind"; for (i = 0; i < 300; i++) printf "%.4f,%.4f,%s\n", rand(), 10 * rand(), i % 2 ? "u" : "v" }' >d.csv
printf 'a,b\n0.5,5\n0.1,9\n' >q.csv
echo == flow
likely flow d.csv -n 20 -q >f.csv; head -1 f.csv; wc -l <f.csv
likely flow d.csv -n 20 --threads 1 -q | cmp - f.csv && echo same
likely flow d.csv -n 5 --features b -q | head -1
likely flow d.csv -n 20 2>&1 >/dev/null | sed 's/[0-9][0-9.e-]*/N/g'
likely flow d.csv --start f.csv --steps 5 -q | wc -l
printf '1,0.1\n' >A.csv
likely flow d.csv --observe A.csv --observed 1.5 --noise .1 -n 40 -q | awk -F, 'NR > 1 { s += $1 + .1 * $2 } END { print (s / (NR - 1) > 1.3 && s / (NR - 1) < 1.7) ? "near the observation" : s / (NR - 1) }'
echo == similarity of a kernel density
likely fit d.csv -m kde --bandwidth .1,1 -o k.lk -q
likely similarity k.lk q.csv | awk -F, 'NR == 1 { print } NR > 1 { print ($1 > 0 && $1 < 1 && $2 == 0) ? "fine" : $0 }'
echo == private
likely fit d.csv -m private --of l1 --bounds a=0:1,b=0:10 --epsilon 2 -o p.lk -q
likely info p.lk --json | json 'v["privacy"]["epsilon"], v["privacy"]["delta"], v["privacy"]["neighbours"], abs(v["n"] - 300) < 200'
likely similarity p.lk q.csv | awk -F, 'NR > 1 { print ($1 > 1 && $1 < 12 && $2 > 0) ? "fine" : $0 }'
likely fit d.csv -m private --bandwidth .5,5 --label kind --priors equal -o c.lk -q
likely predict c.lk q.csv | head -1
likely fit d.csv -m private --bandwidth 1 --seed 3 --insecure-test -o t.lk -q; echo "exit $?"
likely density t.lk q.csv | wc -l
echo == refused
likely fit d.csv -m private --bandwidth 1 --seed 3 -o x.lk; echo "exit $?"
likely fit d.csv -m private --of l2 --bounds a=0:1 -o x.lk; echo "exit $?"
likely fit d.csv -m private --bandwidth 1 --label kind -o x.lk; echo "exit $?"
likely fit d.csv -m private --bandwidth 1 --transform standardize -o x.lk; echo "exit $?"
likely density p.lk q.csv; echo "exit $?"
likely similarity c.lk q.csv; echo "exit $?"
likely sample p.lk; echo "exit $?"
likely flow d.csv --observe A.csv; echo "exit $?"
likely flow d.csv --observe A.csv --observed 1,2 --noise .1; echo "exit $?"
printf 'a\n1\n\n' | likely flow - ; echo "exit $?"
ls x.lk 2>/dev/null
true
