# Standard input and output, a reader that goes away, a disk that is full.
cp "$DATA/faithful.csv" .
likely fit faithful.csv -k 2 -q
likely density faithful.lk - <faithful.csv | cmp - $(likely density faithful.lk faithful.csv >a; echo a) && echo "- is standard input"
likely density faithful.lk faithful.csv -o - | cmp - a && echo "-o - is standard output"
likely info - <faithful.lk | head -1
likely sample faithful.lk -n 1000000 2>err | head -1
cat err
bash -c 'likely sample faithful.lk -n 1000000 2>err | head -1 >/dev/null; echo "${PIPESTATUS[0]}"'
cat err
# Nothing but results on standard output, nothing at all on standard error where all is well.
likely sample faithful.lk -n 3 2>&1 >/dev/null
likely density faithful.lk faithful.csv --json | json 'v' 2>/dev/null || likely density faithful.lk faithful.csv --json | head -1 | json 'list(v)'
# An output to a device is not renamed over it.
likely density faithful.lk faithful.csv -o /dev/null && test -c /dev/null && echo "/dev/null is still a device"
likely info faithful.lk -o /dev/null && test -c /dev/null && echo "and still is"
if test -c /dev/full; then
    likely info faithful.lk >/dev/full
    echo "info: exit $?"
    likely density faithful.lk faithful.csv >/dev/full
    echo "density: exit $?"
fi
