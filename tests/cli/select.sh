# select: rows, methods, columns of every type, the report, refusals.
awk 'BEGIN { srand(4); print "id,a,b,kind"; for (i = 0; i < 200; i++) printf "%03d,%.3f,%.3f,%s\n", i, rand(), rand() * 10, i % 3 ? "\"x, y\"" : "z" }' >d.csv
echo == rows are rows of the data, in their order, with all columns
likely convert d.csv --types id=text -q >all.csv
likely select d.csv -n 7 -q --types id=text >few.csv
head -1 few.csv
tail -n +2 few.csv | while IFS= read -r row; do grep -cxF "$row" all.csv; done | sort | uniq -c | tr -s ' '
tail -n +2 few.csv | sort -c && echo "in order"
echo == the square root of their number
likely select d.csv -q --features a,b | wc -l
echo == methods
for m in kernel-thinning compress herding random standard; do likely select d.csv -n 5 --method $m -q --features a,b | wc -l; done
likely select d.csv -n 10 --features a,b --report r.json 2>&1 >/dev/null | sed 's/MMD .*/MMD/'
json 'sorted(v), v["method"], v["mmd"] < v["mmd_independent"] / 3' <r.json
likely select d.csv -n 10 --features a,b --mmd no --report r.json -q >/dev/null && json 'v["mmd"]' <r.json
echo == towards a model
likely fit d.csv --features a,b --components 1 -q -o m.lk
likely select d.csv -n 5 --method stein --towards m.lk -q | head -1
echo == towards the uniform law
likely select d.csv -n 20 --kernel sobolev --features a --towards uniform --report r.json -q >/dev/null && json 'v["mmd"] < 0.4 * v["mmd_independent"]' <r.json
echo == refused
likely select d.csv -n 500; echo "exit $?"
likely select d.csv --method stein; echo "exit $?"
likely select d.csv --towards m.lk; echo "exit $?"
likely select d.csv --kernel sobolev --features b; echo "exit $?"
likely select d.csv --bandwidth 1,2,3 --features a,b; echo "exit $?"
likely select d.csv --method best; echo "exit $?"
printf 'a,b\n1,2\n,3\n' | likely select - -n 1; echo "exit $?"
echo == clusters
likely select d.csv -n 30 --method stratified -q --features a,b | wc -l
likely select d.csv -n 30 --method sensitivity --clusters 4 -q --features a,b | head -1
likely select d.csv -n 30 --method sensitivity --loss b --lambda 2 --features a -q | awk -F, 'NR > 1 { s += $NF } END { print (s > 0.5 && s < 2) ? "weights near 1" : s }'
likely select d.csv -n 5 --loss b; echo "exit $?"
