#!/bin/bash
# Bad inputs and bad moments, as a user meets them: each with its exit code, its message, and no half-written output.
# cli_faults.sh LIKELY. What this machine does not permit is skipped with its reason. Exit: 0 all passed, 1 not.
set -u
likely=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
data=$(dirname "$(dirname "$here")")/examples/data
effort=${LK_TEST_EFFORT:-1}
work=$(mktemp -d "${TMPDIR:-/tmp}/likely-faults.XXXXXX") || exit 1
mounted=
cleanup() {
    [ -n "$mounted" ] && umount "$mounted" 2>/dev/null
    chmod -R u+w "$work" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit 1
passed=0 failed=0 skipped=0

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }
skip() { skipped=$((skipped + 1)); echo "skipped: $*"; }

# expect NAME CODE MESSAGE COMMAND...: the exit code, a piece of what is said on standard error, and that what lay in the
# folder before lies there unchanged, with nothing beside it. `made` names the one file that may appear.
made=none
list_files() {
    find . -type f ! -path ./said ! -path "./$made" -printf '%p %s %T@\n' | sort
}
expect() {
    local name=$1 code=$2 message=$3 got before after
    shift 3
    before=$(list_files)
    "$@" >said.out 2>said </dev/null
    got=$?
    rm -f said.out
    after=$(list_files)
    if [ "$got" != "$code" ]; then
        fail "$name: exit code $got, not $code: $(head -c 300 said)"
    elif [ -n "$message" ] && ! grep -q -a -e "$message" said; then
        fail "$name: said '$(head -c 300 said)', not '$message'"
    elif [ "$before" != "$after" ]; then
        fail "$name: files appeared or changed: $(diff <(echo "$before") <(echo "$after"))"
    else
        pass
    fi
}

fit() { expect "$1" "$2" "$3" "$likely" fit "${@:4}" -o model.lk; }

### Files that hold no table.
: >empty.csv
fit "empty file" 1 "empty.csv" empty.csv
printf 'a,b\n' >header.csv
fit "header only" 1 "no rows" header.csv
printf 'a,b\n1,2\n3\n5,6\n' >ragged.csv
fit "ragged row" 1 "ragged.csv:3" ragged.csv
printf 'a,b\n1,2\n3,4,5\n' >long_row.csv
fit "row with too many fields" 1 "long_row.csv:3" long_row.csv
{ echo a,b; for i in $(seq 1200); do echo "$i,$i"; done; echo 7,seven; } >late.csv
fit "text in a number column" 1 "late.csv:1202:.*seven" late.csv
printf 'a,b\n1,2\n"3,4\n' >quote.csv
fit "quote that never ends" 1 "quote.csv:3" quote.csv
printf 'a,b\nx,y\nz,w\n' >text.csv
fit "no numeric column" 1 "numeric" text.csv
printf '\000\001\002\377\376 binary\n\000\n' >binary.csv
fit "binary file" 1 "binary.csv" binary.csv
fit "missing file" 1 "nothing.csv" nothing.csv
mkdir -p folder
fit "folder in place of a file" 1 "folder" folder

### Values that no density can have.
printf 'a,b\n1,2\nNaN,NaN\n3,5\n4,4\n5,9\n2,2\n7,1\n' >nan.csv
made=nan.lk
expect "row of NaN" 0 "without any value" "$likely" fit nan.csv --components 1 -o nan.lk
rm -f nan.lk
made=none
printf 'a,b\n1,NA\n2,NA\n3,NA\n' >void.csv
fit "column of NaN" 1 "column b" void.csv --types b=real --components 1
printf 'a,b\n1,2\ninf,3\n3,5\n4,4\n' >inf.csv
fit "infinity" 1 "inf.csv:3:1" inf.csv
printf 'a,b\n1,2\n1e999,3\n3,5\n4,4\n' >huge.csv
fit "number beyond every double" 1 "huge.csv:3:1" huge.csv
printf 'a\n1\n' >one.csv
fit "one row" 1 "1 row" one.csv -k 1
made=model.lk
{ echo a,b,c; for i in $(seq 40); do echo "$i,5,$((i * 7 % 11))"; done; } >constant.csv
expect "constant column" 3 "constant.*b\|b.*constant" "$likely" fit constant.csv -k 1 -o model.lk
rm -f model.lk
{ echo a,b,c; for i in $(seq 40); do echo "$((i * 5 % 13)),$((i * 7 % 11)),$((i * 5 % 13))"; done; } >duplicate.csv
expect "duplicate column" 3 "duplicate\|c.*a\|a.*c" "$likely" fit duplicate.csv -k 1 -o model.lk
rm -f model.lk
made=none
printf 'a,b\n1,2\n3,4\n5,7\n' >three.csv
fit "more components than rows" 1 "components\|rows" three.csv -k 5
{ echo a; for i in $(seq 30); do echo $((i % 2)); done; } >distinct.csv
fit "more components than distinct rows" 1 "2 distinct" distinct.csv -k 4
awk 'BEGIN { print "a,b"; for (i = 1; i <= 60; i++) print i * 7 % 13 "e300," i * 5 % 11 "e-300" }' >scales.csv
fit "scales of 1e300" 1 "column a: its variance" scales.csv -k 1
made=model.lk
expect "scales of 1e300 and 1e-300, standardized" 0 "" "$likely" fit scales.csv -k 1 -o model.lk --transform standardize
"$likely" density model.lk scales.csv 2>/dev/null | tail -n +2 | grep -q -v -e '^-\{0,1\}[0-9.]*$' && fail "scales: a density is no number"
rm -f model.lk
made=none

### Bytes that are no text, lines that are no lines.
printf 'a,b\n1,2\n3,4\n5,7\n2,9\n' >good.csv
{ printf 'gr\366\337e,b\n'; awk 'BEGIN { for (i = 1; i <= 40; i++) print i * 7 % 13 "," i * 5 % 11 }'; } >latin.csv
expect "column name that is not UTF-8" 1 "UTF-8" "$likely" fit latin.csv -k 1 -o model.lk
size=$(awk -v e="$effort" 'BEGIN { printf "%d", (e >= 1 ? 1000 : 200) * 1048576 }')
{ printf 'a,b\n1,2\n'; head -c "$size" /dev/zero | tr '\0' '7'; } >line.csv
expect "a line of $((size / 1048576)) MB" 1 "line.csv:3" timeout 120 "$likely" fit line.csv -o model.lk
# A line may have 256 MB, and is given up there: memory does not follow the file. What malloc is told to fill would count pages that
# are set aside for rows and never used.
peak=small
if [ "$size" -gt 500000000 ]; then
    /usr/bin/env MALLOC_PERTURB_=0 time -f %M "$likely" fit line.csv -o model.lk 2>peak >/dev/null
    peak=$(tail -1 peak)
fi
case $peak in
small) skip "memory of a long line: LK_TEST_EFFORT below 1" ;;
*[!0-9]* | '') skip "memory of a long line: time(1) is not installed" ;;
*) [ "$peak" -lt 500000 ] && pass || fail "a long line took $peak KB" ;;
esac
rm -f line.csv peak

### Compressed files and arrays that lie.
gzip -c "$data/faithful.csv" >whole.csv.gz
head -c 700 whole.csv.gz >cut.csv.gz
fit "truncated gzip" 1 "cut.csv.gz" cut.csv.gz
{ head -c 700 whole.csv.gz; printf XXXXXXXX; tail -c +709 whole.csv.gz; } >spoilt.csv.gz
fit "spoilt gzip" 1 "spoilt.csv.gz" spoilt.csv.gz
"$likely" convert "$data/faithful.csv" -o right.npy
cp right.npy lying.npy
sed -i 's/(272, 2)/(999, 2)/' lying.npy
fit "NPY that says more rows than it has" 1 "lying.npy" lying.npy
sed 's/(272, 2)/(-72, 2)/' right.npy >negative.npy
fit "NPY of a negative shape" 1 "negative.npy" negative.npy
sed 's/<f8/<O8/' right.npy >object.npy
fit "NPY of objects" 1 "object.npy" object.npy
head -c 60 right.npy >header.npy
fit "NPY cut in its header" 1 "header.npy" header.npy

### Model files that lie.
"$likely" fit "$data/faithful.csv" -k 2 -q -o right.lk || fail "no model to spoil"
info() { expect "$1" 1 "$2" "$likely" info "$2"; }
head -c 100 right.lk >cut.lk
info "model cut in its header" cut.lk
head -c $(($(stat -c %s right.lk) - 8)) right.lk >short.lk
info "model cut in its numbers" short.lk
{ printf '\377\377\377\377\377\377\377\177'; tail -c +9 right.lk; } >long.lk
info "model with a header of 2^63 bytes" long.lk
{ printf '\000\000\000\000\000\000\000\000'; tail -c +9 right.lk; } >none.lk
info "model without a header" none.lk
{ cat right.lk; printf extra; } >more.lk
info "model with bytes behind its end" more.lk
sed 's/"data_offsets":\[0,/"data_offsets":[8,/' right.lk >shifted.lk
cmp -s shifted.lk right.lk || info "model with shifted tensors" shifted.lk
sed 's/"gmm"/"gnu"/' right.lk >method.lk
info "model of an unknown method" method.lk
info "CSV in place of a model" good.csv
: >empty.lk
info "empty model" empty.lk

### Outputs that cannot be written.
echo before >kept.csv
expect "output into a missing folder" 1 "missing/out.csv" "$likely" density right.lk "$data/faithful.csv" -o missing/out.csv
if [ "$(id -u)" = 0 ]; then
    skip "output into a folder without permission: this is root, who may write everywhere"
else
    mkdir closed && chmod a-w closed
    expect "output into a folder without permission" 1 "closed/m.lk" "$likely" fit "$data/faithful.csv" -k 1 -o closed/m.lk
fi
mkdir -p folder.lk
expect "model onto a folder" 1 "folder.lk" "$likely" fit "$data/faithful.csv" -k 1 -o folder.lk
cp kept.csv kept.txt
expect "an error leaves the older file" 1 "late.csv:1202" "$likely" convert late.csv -o kept.csv
[ "$(cat kept.csv)" = before ] && pass || fail "the older file is gone"

### A full disk.
mkdir -p small
if mount -t tmpfs -o size=64k tmpfs small 2>/dev/null; then
    mounted=$work/small
    expect "full disk under rows" 1 "No space left" "$likely" sample right.lk -n 100000 -o small/rows.csv
    expect "full disk under NPY" 1 "No space left" "$likely" sample right.lk -n 100000 -o small/rows.npy
    head -c 62000 /dev/zero >small/filler
    made=small/filler
    awk 'BEGIN { for (j = 0; j < 40; j++) printf "%sc%d", j ? "," : "", j; print ""; for (i = 1; i <= 300; i++) { for (j = 0; j < 40; j++) printf "%s%d", j ? "," : "", (i * (j + 3) * 7919 + j * i * i) % 1009; print "" } }' >wide.csv
    expect "full disk under a model" 1 "No space left" "$likely" fit wide.csv -k 1 -o small/wide.lk
    command -v gnuplot >/dev/null && expect "full disk under a figure" 1 "small/figure.png" "$likely" plot right.lk -o small/figure.png
    made=none
    umount small && mounted=
else
    skip "full disk: no permission to mount a tmpfs"
fi

### Signals.
long="$likely sample right.lk -n 2000000000 -o endless.csv"
interrupt() { # NAME SIGNAL CODE MESSAGE COMMAND...
    local name=$1 signal=$2 code=$3 message=$4 child got
    shift 4
    (trap - INT; exec setsid "$@") >/dev/null 2>said &
    child=$!
    sleep 0.7
    kill -s "$signal" $child 2>/dev/null || fail "$name: it ended before the signal: $(cat said)"
    wait $child 2>/dev/null
    got=$?
    [ "$got" = "$code" ] && pass || fail "$name: exit code $got, not $code"
    if [ -n "$message" ]; then
        grep -q -e "$message" said && pass || fail "$name: said '$(cat said)', not '$message'"
    fi
}
"$likely" sample right.lk -n 300000 -o wide_fit.csv
# A background job of a shell without job control ignores SIGINT; env restores it before the command begins.
restore="env --default-signal=INT"
if $restore true 2>/dev/null; then
    interrupt "SIGINT under sample" INT 130 "interrupted" $restore $long
    interrupt "SIGINT under fit" INT 130 "same command again" $restore "$likely" fit wide_fit.csv --tol 0 --max-iter 100000 -o endless.lk
fi
interrupt "SIGTERM under sample" TERM 143 "interrupted" $long
[ -z "$(find . -name 'endless*')" ] && pass || fail "a file was left behind: $(find . -name 'endless*')"
echo before >endless.csv
interrupt "SIGKILL under sample" KILL 137 "" $long
[ "$(cat endless.csv)" = before ] && pass || fail "SIGKILL: the older file is gone"

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
