# A net: a target given the other features, from fit to predict.
awk 'BEGIN { print "a,b,y"; for (i = 0; i < 300; i++) { a = (i * 37 % 100) / 50 - 1; b = (i * 61 % 97) / 48 - 1; e = ((i * 7919 % 211) / 105 - 1) * 0.2
  printf "%.4f,%.4f,%.4f\n", a, b, 2 * a - b + e } }' >line.csv
try likely fit line.csv --model net --target y --layers 0 --spread constant --members 1 --steps 600 --rate 0.01 --validation 0 --decay 0 --json -o line.lk >fit.json
json 'v["converged"], v["parameters"]["layers"]' <fit.json
printf 'b,a\n0,1\n1,0\n,1\n' >ask.csv
likely predict line.lk ask.csv --quantiles none >out.csv 2>remarks
cat remarks
awk -F, 'NR == 2 { print ($1 > 1.95 && $1 < 2.05) ? "a is worth 2" : $1 } NR == 3 { print ($1 > -1.05 && $1 < -0.95) ? "b is worth -1" : $1 }
  NR == 4 { print ($0 == ",") ? "no answer without b" : $0 }' out.csv
likely fit line.csv --model net --target y --members 2 --steps 300 --width 16 --threads 1 -o one.lk >/dev/null
likely fit line.csv --model net --target y --members 2 --steps 300 --width 16 --threads 2 -o two.lk >/dev/null
cmp one.lk two.lk && echo same bytes
likely evaluate one.lk line.csv | grep -c 'mean log density'
likely fit line.csv --model net --target y --steps 300 --holdout 0.2 --quiet -o held.lk && likely info held.lk | grep -c -i held
try likely fit line.csv --model net
try likely fit line.csv --target y
try likely fit line.csv --model net --target z
try likely fit line.csv --model net --target y --transform standardize
try likely fit line.csv --model net --target y --layers -1
try likely predict one.lk ask.csv --target a
try likely sample one.lk -n 3
try likely score one.lk line.csv
try likely modes one.lk line.csv
printf 'b\n0\n' >short.csv
try likely predict one.lk short.csv
# counts and classes
awk 'BEGIN { print "a,n,c"; for (i = 0; i < 300; i++) { a = (i * 37 % 100) / 50 - 1; n = int(exp(1 + a) + (i * 7919 % 211) / 211); print a "," n "," (a + (i * 61 % 97) / 97 > 0.5 ? "high" : "low") } }' >both.csv
try likely fit both.csv --model net --target n --features a,n --law negative_binomial --members 1 --steps 400 --quiet -o n.lk
printf 'a\n1\n' | likely predict n.lk - --quantiles .1,.9 | awk -F, 'NR == 2 { print ($1 > 6 && $1 < 9) ? "about 7.9" : $1, ($3 == int($3)) ? "counts" : $3 }'
try likely fit both.csv --model net --target c --features a --members 2 --steps 400 --quiet -o c.lk
printf 'a\n-1\n1\n' | likely predict c.lk -
likely info c.lk | grep -c '^tells .* c, 2 classes: high, low'
likely evaluate c.lk both.csv | grep -c 'mean log probability'
try likely density c.lk both.csv
try likely fit both.csv --model net --target a --features a,n --law poisson
try likely fit both.csv --model net --label c --priors equal
try likely fit both.csv --model net --label c --target a
likely importance c.lk both.csv
likely importance n.lk both.csv --json | json '[v[0]["feature"], v[0]["importance"] > 0.1]'
likely fit both.csv --components 1 --quiet -o joint.lk
likely importance joint.lk both.csv --target n | head -n 1
try likely importance joint.lk both.csv
# sharpness-aware minimization: the same bytes on 1 and 2 threads, other weights than without
likely fit line.csv --model net --target y --members 1 --steps 200 --width 16 --sharpness 0.05 --threads 1 -o flat.lk >/dev/null
likely fit line.csv --model net --target y --members 1 --steps 200 --width 16 --sharpness 0.05 --threads 2 -o again.lk >/dev/null
likely fit line.csv --model net --target y --members 1 --steps 200 --width 16 -o plain.lk >/dev/null
cmp flat.lk again.lk && echo same bytes uphill
[ "$(likely evaluate flat.lk line.csv)" = "$(likely evaluate plain.lk line.csv)" ] || echo other answers
try likely fit line.csv --model net --target y --sharpness -1
