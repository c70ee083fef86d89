# A mixture with noise: what fit, info, cluster, density, sample and the others say of it.
awk 'BEGIN { srand(3); print "x,y"; for (i = 0; i < 300; i++) { u = rand(); v = rand(); if (i % 3 == 0) { print 20 * u - 10 "," 20 * v - 10 }
     else { r = sqrt(-2 * log(u)) / 3; print r * cos(6.2831853 * v) + (i % 3 == 1 ? -4 : 4) "," r * sin(6.2831853 * v) } } }' >n.csv
round() { awk -F, 'NR == 1 { print; next } { for (i = 1; i <= NF; i++) if ($i != "") $i = sprintf("%.3f", $i + 0); print }' OFS=,; }
echo == fit
likely fit n.csv -k 2 --noise | grep -E 'method|free'
likely info n.lk | grep -c '^  noise '
likely info n.lk --json | json 'sorted(v["noise"]), len(v["components"]), abs(sum(c["weight"] for c in v["components"]) + v["noise"]["weight"] - 1) < 1e-12'
echo == cluster
likely cluster n.lk n.csv | sort | uniq -c | awk '{ print $2, ($1 > 60) }' | sort
likely cluster n.lk n.csv --proba | head -1
printf 'x,y\n-4,0\n9,9\n,9\n-50,1\n' >q.csv
likely cluster n.lk q.csv
echo == given parameters
cat >p.json <<'END'
{"weights": [0.8], "means": [[0, 0]], "covariances": [1], "noise": {"weight": 0.2, "low": [-5, -5], "high": [5, 15]}, "columns": ["x", "y"]}
END
likely fit --params p.json
printf 'x,y\n0,0\n5,15\n5,15.001\n4,\n' >r.csv
likely density p.lk r.csv | round
likely score p.lk r.csv | round
likely predict p.lk r.csv --target y --quantiles .5,.9 | round
likely impute p.lk r.csv | round
likely condition p.lk --given x=6 -o c.lk | tail -3
likely marginal p.lk --features y -o m.lk | tail -3
likely sample p.lk -n 5000 | awk -F, 'NR > 1 && $2 > 6 { n++ } END { print (n > 380 && n < 520) ? "noise is drawn" : n }'
likely evaluate n.lk n.csv --json | json '0.4 < v["coverage_50"] < 0.6'
echo == refused
printf 'x,y\n1,1\n2,1\n3,1\n5,1\n' >flat.csv
try likely fit flat.csv -k 1 --noise
try likely density p.lk r.csv --sigma 1
try likely fit n.csv --start p.lk --noise -q -o s.lk
likely fit n.csv -k 2 -q -o plain.lk
try likely fit n.csv --start plain.lk --noise -q -o s.lk
echo == exported
likely export p.lk --json -o e.json && likely fit --params e.json -q -o e.lk && likely density e.lk r.csv | round | head -3
likely export p.lk --mclust | json 'v["parameters"]["pro"], v["parameters"]["Vinv"]'
try likely export p.lk --sklearn
try likely export p.lk --c p.c
try likely intervals n.lk n.csv
likely intervals n.lk n.csv --method bootstrap --draws 20 -q | head -3 | cut -d, -f1-3
likely plot n.lk n.csv --kind uncertainty --script | grep -o "title '[cn][a-z]* *[0-9]*'"
likely modes p.lk 2>/dev/null | cut -d, -f1-3,9 | head -2
