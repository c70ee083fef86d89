# info, evaluate, models, describe: for people and for machines.
cp "$DATA/faithful.csv" "$DATA/iris.csv" .
likely fit faithful.csv -k 2 -q
likely info faithful.lk | sed 's/, [0-9]* iterations//'
likely info faithful.lk --json | json 'sorted(k for k in v if k in "method parameters n d log_likelihood bic icl aic free_parameters converged iterations degenerate components columns".split())'
likely info faithful.lk --json | json 'sorted(v["components"][0])'
likely info faithful.lk --json | json 'abs(v["bic"] - (2 * v["log_likelihood"] - v["free_parameters"] * __import__("math").log(v["n"]))) < 1e-9'
likely info faithful.lk -o info.txt && likely info faithful.lk | cmp - info.txt && echo "-o is the same text"
likely evaluate faithful.lk faithful.csv
likely evaluate faithful.lk faithful.csv --json | json '[v["rows"], round(v["mean_log_density"], 5), [f["name"] for f in v["features"]]]'
likely info faithful.lk --json >i; likely evaluate faithful.lk faithful.csv --json | json '"%.9f" % (v["mean_log_density"] * v["rows"])' >a
json '"%.9f" % v["log_likelihood"]' <i | cmp - a && echo "evaluate agrees with the fit"
sed '3s/,.*/,/; 4s/.*/,/' faithful.csv >gaps.csv; likely evaluate faithful.lk gaps.csv | sed -n '1,4p'
likely evaluate faithful.lk gaps.csv --json | json 'v["rows"], v["complete_rows"], v["mean_log_density_per_dim"]'
likely fit gaps.csv -k 2 --holdout .5 -q -o gaps.lk && likely info gaps.lk | grep -c '^held-out rows'
likely models | cut -d' ' -f1
likely models --json | json '[m["name"] for m in v][:1]'
likely models gmm --json | json 'sorted(v)'
likely describe iris.csv
likely describe iris.csv --json | json 'v["rows"]'
try likely info faithful.csv
try likely info nothing.lk
try likely describe nothing.csv
