# A kernel density: fit, info and every verb of the main job; what is refused.
round() { awk -F, 'NR == 1 { print; next } { for (i = 1; i <= NF; i++) if ($i != "") $i = sprintf("%.3f", $i + 0); print }' OFS=,; }
printf 'eruptions,waiting\n2,55\n4.4,\n9,200\n' >q.csv
echo == fit
likely fit $DATA/faithful.csv --model kde
likely fit $DATA/faithful.csv -m kde --bandwidth .3,4 --regression linear --holdout .2 -o h.lk | grep -E 'bandwidth|held'
likely info h.lk --json | json 'v["kernel"], v["bandwidth"], v["points"], v["effective_points"], v["parameters"]["bandwidth"], v["bic"]'
echo == density, score
likely density h.lk q.csv | round
likely score h.lk q.csv | round
likely density h.lk q.csv --per-dim | round
echo == sample
likely sample h.lk -n 2 --seed 3 | round
likely sample h.lk -n 2 --given 'eruptions=2' | round
echo == predict, impute, condition, marginal
likely predict h.lk q.csv --target waiting | round
likely impute h.lk q.csv | round
likely condition h.lk --given eruptions=2 -o c.lk | grep -E 'features|bandwidth'
likely marginal h.lk --features waiting -o m.lk | grep -E 'features|bandwidth'
likely density m.lk q.csv | round
echo == evaluate, plot
likely evaluate h.lk $DATA/faithful.csv | grep -E 'rows  |mean log'
likely plot h.lk $DATA/faithful.csv --script 2>/dev/null | head -1
echo == refused
likely cluster h.lk q.csv
likely fit $DATA/faithful.csv -m kde --bandwidth scot -o x.lk
likely fit $DATA/faithful.csv -m kde --kernel cauchy -o x.lk
likely fit $DATA/faithful.csv -m kde --kernel bix -o x.lk
likely fit $DATA/faithful.csv -m kde --kernel box --bandwidth 1,9 -o b.lk --quiet && likely predict b.lk q.csv --target waiting
likely condition b.lk --given eruptions=99 -o x.lk
printf 'x,y\n1,2\n1,3\n1,5\n' | likely fit - -m kde -o x.lk
ls x.lk 2>/dev/null
true
echo == the highest mode
likely fit $DATA/faithful.csv -m kde --bandwidth .5,6 -q -o g.lk
likely modes g.lk --project 30 | awk -F, '{ print NF; if (NR > 1) printf "%.3f %.3f\n", $2, $3 }'
likely modes b.lk --project 2
echo == a matrix, ends
likely fit $DATA/faithful.csv -m kde --bandwidth full -q -o f.lk
likely density f.lk q.csv | round
likely predict f.lk q.csv --target waiting | round
likely fit $DATA/faithful.csv -m kde --bandwidth .3,4 --bounds eruptions=1.5: -q -o e.lk
printf 'eruptions,waiting\n1.4,50\n1.5,50\n' | likely density e.lk - | round
likely sample e.lk -n 2000 --seed 2 | awk -F, 'NR > 1 && $1 < 1.5 { n++ } END { print n + 0, "below" }'
likely sample e.lk -n 2 --given waiting=60 --seed 2 | round
likely predict e.lk q.csv --target eruptions
likely fit $DATA/faithful.csv -m kde --bounds eruptions=2: -o x.lk
