# Rewards, measurements, dynamics, diagnoses, noise of counts, energies.
round() { awk -F, 'NR == 1 { print; next } { for (i = 1; i <= NF; i++) if ($i ~ /^-?[0-9.]+(e-?[0-9]+)?$/) { v = sprintf("%.3f", $i); sub(/^-0.000$/, "0.000", v); $i = v } print }' OFS=,; }
mean() { awk -F, 'NR > 1 { n++; s += $1; t += $2 } END { printf "%.1f %.1f\n", s / n, t / n }'; }
cat >p.json <<'END_P'
{"weights": [1], "means": [[1, 2]], "covariances": [[[1, 0], [0, 4]]], "columns": ["x", "y y"]}
END_P
likely fit --params p.json -q || exit 1
echo == tilt
likely tilt p.lk --reward '3*x - ("y y" - 2)^2' -n 3000 --to t.lk | mean
likely info t.lk --json | json '[round(v["components"][0][k][0], 6) for k in ("mean",)] + [v["method"]]'
likely tilt p.lk --reward '3 * (x > 2)' --method smc -n 500 --steps 20 2>err | head -1; sed 's/[0-9]*\.[0-9]*/N/g; s/size [0-9.]*/size N/' err
likely tilt p.lk --reward '3 * (x > 2)' --method tree -n 50 --rollouts 300 -q | wc -l
likely tilt p.lk --reward '3 * (x > 2)' --method resample -n 50 -q --threads 1 >a; likely tilt p.lk --reward '3 * (x > 2)' --method resample -n 50 -q --threads 2 | cmp - a && echo "threads do not matter"
printf 'x,value,sd\n1,5,1\n' >m.csv
likely tilt p.lk --observe m.csv -n 3000 -q | mean
likely tilt p.lk --observe m.csv --method moments --steps 20 -n 3000 -q | mean
echo == push
printf "# decay and drift\nk = 0.5\nx' = -k * x\n\"y y\"' = 1\n" >d.txt
likely push p.lk --dynamics d.txt --time 2 -n 2000 --event 'x > 0' -q | mean
printf 'x,y y\n0.3,4\n' | likely push p.lk - --dynamics d.txt --time 2 | round
likely push p.lk --dynamics d.txt --time 2 -n 500 --event 'x > 100' -o ends.csv
echo == diagnose
likely diagnose p.lk --points 200 --sigma 0.5 --json | json '[v[0]["faults"], v[0]["asymmetry"] < 1e-6, v[0]["against_density"]]'
printf "x' = 1 - x - (\"y y\" - 2) / 2\n\"y y\"' = (2 - \"y y\") / 4 + (x - 1) / 2\n" >turn.txt
likely diagnose p.lk --field turn.txt --sigma 0 --points 300 >table
echo "exit $?"; head -2 table | cut -c 1-40
printf 'x,y y\n1,2\n0,3\n2,4\n1,1\n0,0\n2,2\n1,3\n0,2\n2,1\n1,2.5\n' | likely diagnose p.lk - --sigma 1 --json | json 'v[0]["points"]'
echo == noise of counts, and a factor
likely fit --params p.json -o n.lk -q
printf 'x,y y\n1,2\n' | likely denoise n.lk - --noise normal --sigma 0.5 | round
printf 'x,y y\n1,2\n' | likely denoise n.lk - --noise poisson --gain 0.1 | round
printf 'x,y y\n1,2\n' | likely denoise n.lk - --noise gamma --shape 3 | round
echo == energy
likely sample p.lk -n 500 -o r.csv
likely fit r.csv --model energy --degree 2 -o e.lk -q && likely density e.lk r.csv | head -1
likely fit r.csv --model energy --degree 2 --estimator nce --noise 2000 -o e2.lk -q && likely score e2.lk r.csv | head -1
echo == wrong
try likely tilt p.lk --reward 'x^2'
try likely tilt p.lk --reward 'z'
try likely tilt p.lk
printf 'x,sd\n1,5\n' >m2.csv; try likely tilt p.lk --observe m2.csv
try likely push p.lk
printf "x' = 1\n" >d2.txt; try likely push p.lk --dynamics d2.txt
try likely diagnose p.lk --sigma 1,,2
try likely diagnose p.lk --sigma -1
try likely denoise p.lk r.csv --noise gamma
try likely denoise p.lk r.csv --noise poisson --sigma 1
try likely fit r.csv --model energy --degree 3 -o no.lk
