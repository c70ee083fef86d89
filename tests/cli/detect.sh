# detect: scores, p-values, flags, references, and fit --calibrate.
echo '{"weights": [1], "means": [[0]], "covariances": [[[1]]], "columns": ["x"]}' >p.json
likely fit --params p.json -q || exit 1
printf 'x\n0\n1\n-2\n3\n' >held.csv
printf 'id,x\na,1\nb,-10\nc,\n' >d.csv
round() { awk -F, 'NR == 1 { print; next } { for (i = 1; i <= NF; i++) if ($i ~ /^-?[0-9.]+(e-?[0-9]+)?$/) $i = sprintf("%.9g", $i); print }' OFS=,; }
echo == held-out rows
likely detect p.lk d.csv --calibrate held.csv --id id --rate 0.2 | round
likely detect p.lk d.csv --calibrate held.csv -q -o d.jsonl && head -1 d.jsonl | json 'round(v["score"], 9), v["p"]'
likely detect p.lk d.csv --calibrate held.csv --rate 0.1 -q | cut -d, -f3
likely detect p.lk d.csv --calibrate held.csv --rate 0.1 2>&1 >/dev/null | tail -1
likely detect p.lk - --calibrate held.csv -q <d.csv | cut -d, -f2
likely detect p.lk d.csv --calibrate - -q <held.csv | cut -d, -f2
echo == draws
likely detect p.lk d.csv | awk -F, 'NR == 2 { print ($2 > .312 && $2 < .323) ? "P(|x| >= 1)" : $2 } NR == 3 { print $2 < 1.1e-5 ? "the least p" : $2 }'
likely detect p.lk d.csv --draws 999 -q --seed 5 >a
likely detect p.lk d.csv --draws 999 -q --seed 5 --threads 1 | cmp - a && echo "the same for the same seed"
likely detect p.lk d.csv --draws 999 -q --seed 6 | cmp -s - a || echo "others for another"
likely sample p.lk -n 1000 --seed 5 | likely detect p.lk - --draws 1000 --seed 5 -q | sort -u | wc -l
echo == false discoveries
likely sample p.lk -n 190 --seed 3 >mixed.csv
for i in 4 5 6 7 8 9 10 11 12 13; do echo "$i"; done >>mixed.csv
likely detect p.lk mixed.csv --fdr 0.1 | cut -d, -f3 | sort | uniq -c | awk '{ print $2, $1 }'
likely detect p.lk held.csv --fdr 0.01 --draws 50 | tail -1 | cut -d, -f3
echo == a split kept by the fit
likely fit "$DATA/faithful.csv" --calibrate 0.25 -o f.lk | grep held
likely info f.lk --json | json 'v["calibration"], v["held_out"]["kind"], v["n"]'
likely detect f.lk "$DATA/faithful.csv" --rate 0.05 | cut -d, -f3 | sort | uniq -c | awk '{ print $2, $1 }'
printf 'eruptions,waiting\n2,\n2,90\n' | likely detect f.lk - | round
likely fit "$DATA/faithful.csv" --calibrate 0.25 -o g.lk -q --threads 1 && cmp f.lk g.lk && echo "the same bytes"
likely marginal f.lk --features waiting -o w.lk -q && likely info w.lk --json | json '"calibration" in v'
echo == wrong
try likely detect p.lk
try likely detect p.lk d.csv --rate 0
try likely detect p.lk d.csv --fdr 1
try likely detect p.lk d.csv --rate 2
try likely detect p.lk d.csv --rate 0.1 --fdr 0.1
try likely detect p.lk d.csv --calibrate held.csv --draws 10
try likely detect p.lk - --calibrate -
try likely detect p.lk - --fdr 0.1
try likely detect p.lk d.csv --draws 0
try likely detect p.lk d.csv --calibrate nothing.csv
printf 'y\n1\n' >other.csv
try likely detect p.lk d.csv --calibrate other.csv
printf 'x,score\n1,2\n' | try likely detect p.lk - --keep -q
printf 'x,y\n,2\n,3\n' >gaps.csv
try likely detect p.lk d.csv --calibrate gaps.csv --types x=real
try likely fit "$DATA/faithful.csv" --calibrate 1 -o o.lk
try likely fit "$DATA/faithful.csv" --calibrate 0.2 --folds 5 -o o.lk
try likely fit "$DATA/faithful.csv" --calibrate 0.2 --weight waiting -o o.lk
try likely fit --params p.json --calibrate 0.2 -o o.lk
try likely fit held.csv --calibrate 1e-9 --components 1 -o o.lk
[ -e o.lk ] && echo "o.lk was made"
true
