# Options of reading.
echo '{"weights": [1], "means": [[0, 0]], "covariances": [[[1, 0], [0, 4]]]}' >p.json
likely fit --params p.json -q
csv() { likely convert - --format csv "$@"; }
echo == delimiters
printf 'a;b\n1;2\n' | csv
printf 'a|b\n1|2\n' | csv
printf 'a\tb\n1\t2\n' | csv
printf 'a b\n1 2\n' | csv --delimiter space
printf 'a:b\n1:2\n' | csv --delimiter :
printf ' a   b\n1.5 \t 2 \n' | csv
echo '{"a": 1}' | csv
echo "exit $?"
printf 'a;b\n1,5;2\n' | csv --delimiter semicolon
printf 'a,b\n1,2\n' | csv --delimiter tab
echo == header
printf '1,2\n3,4\n' | csv
printf '1,2\n3,4\n' | csv --header
printf 'p,q\n3,4\n' | csv --no-header
echo == missing
printf 'a,b\n1,NA\n,3\n-9,4\n' | csv
printf 'a,b\n1,NA\n,3\n-9,4\n' | csv --na -9,NA
printf 'a,b\n1,NA\n2,3\n' | csv --na -9 --format jsonl
echo == types
printf 'a,b\n1,u\n2,v\n' | csv --types a=category,b=text --format jsonl
printf 'a,b\n1,u\n2,v\n' | csv --types 1=text --format jsonl
printf 'a\n1\nx\n' | csv --types a=real
echo "exit $?"
printf 'a\n1\n2.5\n' | csv --types a=integer
echo "exit $?"
printf 'a\n1\n' | csv --types a=complex
echo "exit $?"
printf 'a\n1\n' | csv --types b=real
echo "exit $?"
echo == quotes
printf 'name,v\n"a, ""b""",1\n"line\nbreak",2\n' | csv
printf 'name,v\n"a, ""b""",1\n"line\nbreak",2\n' | csv --format jsonl
echo == compressed
printf 'a,b\n1,2\n' | gzip | csv
if command -v zstd >/dev/null; then printf 'a,b\n1,2\n' | zstd -q | csv; else printf 'a,b\n1,2\n'; fi
echo == rows with missing values are answered by the others
printf 'x1,x2\n0,0\nNA,0\n0,\n' | likely density p.lk - --keep
printf 'x1,x2\n0,0\nNA,0\n' | likely score p.lk - --json
printf 'x1,x2\n0,0\nNA,0\n' | likely cluster p.lk - --proba -q
