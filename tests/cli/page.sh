# report: the numbers behind the page, for every kind of model; what does not apply is left out with a reason.
cp "$DATA/faithful.csv" "$DATA/iris.csv" .
likely fit faithful.csv -k 2 -q
likely report faithful.lk faithful.csv --json >r.json
json 'sorted(v)' <r.json
json 'v["density"]["kind"], sorted(v["density"]["model"])[:3], v["absent"]' <r.json
json 'v["trust"]["same_rows"], v["trust"]["judged"], len(v["trust"]["pit"]), len(v["trust"]["predictions"])' <r.json
likely evaluate faithful.lk faithful.csv --json | json '"%.12g" % v["mean_log_density"]' >a
json '"%.12g" % v["trust"]["data"]["mean_log_density"]' <r.json | cmp - a && echo "the likelihood is that of evaluate"
json '[len(v["points"][k]) for k in ("values", "row", "group")], len(v["points"]["values"][0]), len(v["strange"]["rows"])' <r.json
json 'v["command"]' <r.json
# The strangest row is that of detect.
likely detect faithful.lk faithful.csv --draws 1000 -q | awk -F, 'NR > 1 {print $1, NR - 1}' | sort -gr | head -1 | cut -d' ' -f2
json 'v["strange"]["rows"][0]["row"], sorted(v["strange"]["rows"][0]["reasons"][0])' <r.json
# Bit-identical whatever the threads and the memory.
likely report faithful.lk faithful.csv --json --threads 1 | cmp - r.json && echo "the same on one thread"
likely report faithful.lk faithful.csv --json --memory 1K | cmp - r.json && echo "and streamed"
likely report faithful.lk - --json <faithful.csv | json 'v["data"], v["table"]["rows"]'
# Classes, kernel densities, nets.
likely fit iris.csv --label Species -k 1 -q
likely report iris.lk iris.csv --json | json 'v["density"]["kind"], v["trust"]["classes"]["rows"], sum(v["trust"]["classes"]["confusion"]), len(v["points"]["class"])'
likely fit faithful.csv -m kde -q -o k.lk
likely report k.lk faithful.csv --json | json 'v["density"]["kind"], len(v["density"]["lines"]), len(v["density"]["pairs"]), v["absent"]'
likely fit faithful.csv -m net --target waiting --steps 200 -q -o n.lk || true
likely report n.lk faithful.csv --json | json 'v["density"]["kind"], [i["feature"] for i in v["density"]["inputs"]], sorted(v["absent"])'
# Gaps, held-out rows, names.
{ echo eruptions,waiting,who; sed '1d; 3s/,.*/,/; 4s/^[^,]*//; s/$/,row/' faithful.csv; } >gaps.csv
likely report faithful.lk gaps.csv --json | json 'v["table"]["missing"]["complete"], v["table"]["missing"]["patterns"], v["strange"]["scored"]'
likely report faithful.lk faithful.csv --held-out gaps.csv --json | json 'v["trust"]["judged"], v["trust"]["held_out"]["rows"], v["strange"]["reference"]'
likely report faithful.lk gaps.csv --name-column who --json | json 'v["strange"]["rows"][0]["name"]'
likely report faithful.lk faithful.csv --features waiting --title "a 'b' c" --json | json 'v["shown"], v["title"], v["command"]'
try likely report faithful.lk faithful.csv --features nothing --json
try likely report faithful.lk faithful.csv --features waiting,2 --json
try likely report faithful.lk faithful.csv --name-column nobody --json
try likely report faithful.lk iris.csv --json
try likely report faithful.lk - --held-out -
