# Classes: fit --label, and what every verb then answers.
cp "$DATA/iris.csv" .
echo == fit and its summary
likely fit iris.csv --label Species -k 1 -o s.lk
likely info s.lk | sed -n '/^class setosa/,/^class versicolor/p'
likely info s.lk --json | json '[v["label"]["levels"], v["training"]["rows"], [(c["class"], round(c["prior"], 6), c["n"], len(c["components"])) for c in v["classes"]]]'
likely fit iris.csv --label Species -k 1 --folds 5 -q --json -o f.lk | json '[v["held_out"]["kind"], v["held_out"]["classes"]["rows"], round(v["held_out"]["classes"]["accuracy"], 4)]'
likely fit iris.csv --label Species -k 1 --holdout .3 -q --json -o h.lk | json '[v["held_out"]["kind"], sorted(v["held_out"]["classes"])]'
likely fit iris.csv --label Species -k 1 --calibrate .3 -q --json -o k.lk | json '[v["held_out"]["kind"], v["n"] + v["held_out"]["classes"]["rows"], v["training"]["rows"] == v["n"]]'
likely detect k.lk iris.csv | wc -l
likely fit iris.csv --label Species -k 1 --start s.lk -q -o again.lk --json | json 'round(v["log_likelihood"], 4)'
# Each class is the fit of its rows alone.
(head -1 iris.csv; grep virginica iris.csv) | cut -d, -f1-4 >virginica.csv
likely fit virginica.csv -k 1..3 -q -o v.lk
likely fit iris.csv --label Species -k 1..3 -q -o s3.lk --json | json '[c for c in v["classes"] if c["class"] == "virginica"][0]["components"]' >a
likely info v.lk --json | json 'v["components"]' | cmp - a && echo "the same as alone"
echo == predict
likely predict s.lk iris.csv --proba | sed -n '1p;2p;71p'
likely predict s.lk iris.csv | cut -d, -f5 | sort | uniq -c
likely predict s.lk iris.csv --keep | awk -F, 'NR > 1 && $5 != $6' | wc -l
likely predict s.lk iris.csv --target Species,Petal.Width --proba --quantiles none | head -2 | cut -c1-60
likely predict s.lk iris.csv --target Petal.Width | head -1
printf 'Petal.Width,Sepal.Length\n1.6,\n,\n' | likely predict s.lk - --proba --json
likely predict s.lk iris.csv -o p.npy --proba && "$python" -c 'import numpy as np; print(np.load("p.npy").shape)'
echo == other verbs
likely density s.lk iris.csv | head -2
likely cluster s.lk iris.csv | sort | uniq -c
likely sample s.lk -n 3
likely sample s.lk -n 3 --given Petal.Width=.2
likely evaluate s.lk iris.csv | sed -n '/labelled/,/Brier/p'
likely evaluate s.lk iris.csv --json | json '[v["classes"]["label"], v["classes"]["rows"], round(v["classes"]["accuracy"], 6)]'
cut -d, -f1-4 iris.csv >plain.csv
likely evaluate s.lk plain.csv | grep labelled
likely marginal s.lk --features 1,2 -o m.lk | tail -5
likely condition s.lk --given Petal.Width=1.6 -o c.lk | tail -5
likely predict c.lk iris.csv --proba | sed -n 2p | cut -d, -f1
sed '2s/5.1/NA/' iris.csv | likely impute s.lk - | sed -n 2p
likely density s.lk iris.csv --sigma .1 | head -2
likely denoise s.lk iris.csv --sigma .1 | head -2
likely plot s.lk iris.csv --script >plot.gp && grep -c plot plot.gp >/dev/null && echo plotted
try likely intervals s.lk iris.csv
try likely export s.lk --json
likely fit iris.csv --label Species --model kde -o kd.lk | sed -n '/^classes/,$p'
likely predict kd.lk iris.csv --keep | awk -F, 'NR > 1 && $5 != $6' | wc -l
echo == numbers, missing labels, weights, priors
{ echo x,y,k,w; awk 'BEGIN { for (i = 0; i < 40; i++) print i % 7 + i / 50 + (i % 3 == 0 ? 5 : 0) "," i % 5 + i % 11 / 9 "," (i == 8 ? "" : i % 3 == 0 ? 10 : 2) "," i % 4 }'; } >n.csv
likely fit n.csv --label k --weight w -k 1 -o n.lk
likely predict n.lk n.csv --proba | head -1
likely evaluate n.lk n.csv --json | json 'v["classes"]["rows"]'
for p in data equal .25,.75 10=.75,2=.25; do
    likely fit n.csv --label k --weight w -k 1 -o p.lk -q --json --priors "$p" | json '[[round(c["prior"], 6) for c in v["classes"]], v["free_parameters"]]'
done
echo == refused
for p in .5 .5,.5,.5 .5,.6 -1,2 2=.5 2=.5,3=.5 2=.5,2=.5 a,b equall; do
    try likely fit n.csv --label k --weight w -k 1 -o no.lk --priors "$p"
done
try likely fit n.csv --priors equal -o no.lk
try likely fit n.csv --label x --features y -o no.lk -k 2
try likely fit n.csv --label z -o no.lk
sed 's/virginica/unknown/' iris.csv >other.csv
try likely evaluate s.lk other.csv
try likely fit other.csv --label Species --start s.lk -k 1 -o no.lk
try likely fit iris.csv --start s.lk -k 1 -o no.lk
sed '3,$s/setosa/versicolor/' iris.csv >few.csv
try likely fit few.csv --label Species -k 1 -o no.lk
try likely fit few.csv --label Species -k 1 --holdout .9 -o no.lk
try likely predict m.lk iris.csv --target Petal.Width
try likely predict s.lk iris.csv --target Petal.Width --proba
sed 's/Species/class/' iris.csv | try likely predict s.lk - --keep
likely fit plain.csv -k 1 -q -o plain.lk
try likely predict plain.lk plain.csv
try likely predict plain.lk plain.csv --proba --target 1
try likely modes s.lk --by-component
awk -F, 'NR == 1 { print "t," $0 } NR > 1 { print "name" NR "," $0 }' iris.csv >text.csv
try likely fit text.csv --label t -o no.lk
ls no.lk 2>/dev/null || echo "nothing written"
