# Formats of rows: by extension, by --format, on standard output.
cp "$DATA/iris.csv" .
likely convert iris.csv -o iris.tsv && head -2 iris.tsv
likely convert iris.csv -o iris.jsonl && head -1 iris.jsonl
likely convert iris.csv -o iris.npy
likely convert iris.npy --format csv | head -2
likely convert iris.npy | tail -n +2 >a
tail -n +2 iris.csv | cut -d, -f1-4 | sed 's/\.0\b//g' | cmp - a && echo "npy and back"
likely convert iris.csv | likely convert - --format tsv | cmp - iris.tsv && echo "csv, tsv"
likely convert iris.csv --json | cmp - iris.jsonl && echo "--json is jsonl"
likely convert iris.csv --columns Species,1 | head -2
likely convert iris.csv --ignore 1,2,Petal.Width | head -2
try likely convert iris.csv --columns Nothing
try likely convert iris.csv --ignore 1,2,3,4,5
try likely convert iris.csv -o iris.xls
likely convert iris.csv -o iris.data --format tsv && cmp iris.data iris.tsv && echo "--format wins"
echo == infinities
echo '{"weights": [1], "means": [[0]], "covariances": [[[1]]], "columns": ["v"]}' >p.json
likely fit --params p.json -q
printf 'v\n0\n1e200\n' >far.csv
likely density p.lk far.csv
likely density p.lk far.csv --json
likely density p.lk far.csv -o far.npy && tail -c 8 far.npy | od -An -tx1
echo == overwriting, folders
echo old >out.csv
likely density p.lk far.csv -o out.csv && head -1 out.csv
try likely density p.lk far.csv -o nowhere/out.csv
try likely density p.lk far.csv -o .
ls nowhere 2>/dev/null
ls
