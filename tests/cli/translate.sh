# From one distribution to another: fit --target-table, translate.
round() { awk -F, 'NR == 1 { print; next } { for (i = 1; i <= NF; i++) if ($i ~ /^-?[0-9.]+(e-?[0-9]+)?$/) $i = sprintf("%.3g", $i); print }' OFS=,; }
mean() { awk -F, 'NR > 1 { n++; s += $1; t += $2 } END { printf "%.0f %.0f\n", s / n, t / n }'; }
cat >a.json <<'END_A'
{"weights": [0.5, 0.5], "means": [[0, 0], [2, 0]], "covariances": [[[1, 0], [0, 0.25]], [[1, 0], [0, 0.25]]], "columns": ["x", "y"]}
END_A
sed 's/\[0, 0\], \[2, 0\]/[8, 5], [8, 9]/' a.json >b.json
likely fit --params a.json -q && likely fit --params b.json -q || exit 1
likely sample a.lk -n 400 -o a.csv && likely sample b.lk -n 450 -o b.csv
echo == a bridge between two tables
likely fit a.csv --model bridge --target-table b.csv --components 4 --epsilon 1 -o ab.lk -q
likely info ab.lk | grep -E "method|features|converged"
likely translate ab.lk a.csv -o t.csv 2>err; sed 's/[0-9]*\.[0-9]*/N/' err
head -1 t.csv; mean <t.csv
likely translate ab.lk a.csv --steps 50 -q | mean
likely translate ab.lk a.csv --seed 2 -q | cmp -s - t.csv || echo "another seed, another draw"
likely translate ab.lk - --threads 2 -q <a.csv | cmp - t.csv && echo "threads and pipes do not matter"
printf 'id,y,x\na,0,1\nb,,1\n' | likely translate ab.lk - --id id -q | cut -d, -f1 | tr '\n' ' '; echo
likely predict ab.lk a.csv --target x_to,y_to -q | cut -d, -f1,2,6 | head -1
likely condition ab.lk --given x=1,y=0 -o one.lk -q && likely sample one.lk -n 400 | mean
echo == two models
likely translate a.lk b.lk a.csv --steps 20 -q | mean
likely translate a.lk b.lk a.csv --density -q | head -1
likely translate a.lk b.lk a.csv --noise 1 --steps 40 -q | mean
likely translate a.lk b.lk a.csv --method latent --steps 30 -q | mean
tail -n +2 a.csv | head -3 | round
likely translate a.lk a.lk a.csv --method latent --steps 30 -q | tail -n +2 | head -3 | round
echo == wrong
try likely translate a.lk a.csv
try likely translate ab.lk a.csv --method latent
try likely translate a.lk b.lk a.csv --method latent --density
try likely translate a.lk b.lk a.csv --method latent --noise 1
try likely fit a.csv --target-table b.csv --model bridge --label x
printf 'x\n1\n2\n' >short.csv
try likely fit a.csv --target-table short.csv --model bridge
try likely sample ab.lk
try likely condition ab.lk --given x=1 -o no.lk
try likely fit a.csv --model bridge --target-table b.csv --holdout .2 -q
sed 's/"y"/"z"/' b.json >c.json && likely fit --params c.json -q && try likely translate a.lk c.lk a.csv
