#!/bin/sh
# Runs one case of the command and compares what it says: run.sh [--update] LIKELY CASE.sh
# A case is shell; beside it stand what must come out: CASE.out, CASE.err (absent: nothing) and CASE.code (absent: 0).
# Exit: 0 as expected, 1 not, 77 skipped (the case said "skip: REASON" on standard output and left with 77).
set -u
update=no
if [ "$1" = --update ]; then
    update=yes
    shift
fi
likely=$(realpath "$1")
case=$(realpath "$2")
expected=${case%.sh}
source=$(dirname "$(dirname "$(dirname "$case")")")
work=$(mktemp -d "${TMPDIR:-/tmp}/likely-cli.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/run"
# Under another locale the command runs in it, the tools around it in C: what they print is part of what must come out.
locale=${LC_ALL:-${LC_NUMERIC:-${LANG:-C}}}
case $locale in
C | C.* | POSIX | en_US*) ln -s "$likely" "$work/bin/likely" ;;
*)
    printf '#!/bin/sh\nLC_ALL=%s exec "%s" "$@"\n' "$locale" "$likely" >"$work/bin/likely"
    chmod +x "$work/bin/likely"
    export LC_ALL=C.UTF-8
    ;;
esac
cd "$work/run" || exit 1
PATH=$work/bin:$PATH
DATA=$source/examples/data
TERM=dumb
python=${PYTHON:-/usr/bin/python3}
[ -x "$python" ] || python=python3
LC_ALL=C
export PATH DATA TERM LC_ALL python
unset NO_COLOR POSIXLY_CORRECT

# try COMMAND...: runs it, and says its exit code where it is not 0.
cat >"$work/lib.sh" <<'END'
try() { "$@" || echo "exit $?"; }
json() { "$python" -c 'import json, sys; v = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
END
sh -c '. "$1"; . "$2"' case "$work/lib.sh" "$case" >"$work/out" 2>"$work/err" </dev/null
code=$?
if [ "$code" = 77 ]; then
    cat "$work/out"
    exit 77
fi
if [ "$update" = yes ]; then
    cp "$work/out" "$expected.out"
    rm -f "$expected.err" "$expected.code"
    if [ -s "$work/err" ]; then cp "$work/err" "$expected.err"; fi
    if [ "$code" != 0 ]; then echo "$code" >"$expected.code"; fi
    exit 0
fi
failed=0
wanted=0
if [ -f "$expected.code" ]; then wanted=$(cat "$expected.code"); fi
if [ "$code" != "$wanted" ]; then
    echo "exit code $code; expected $wanted"
    failed=1
fi
diff -u "$expected.out" "$work/out" || failed=1
if [ -f "$expected.err" ]; then
    diff -u "$expected.err" "$work/err" || failed=1
else
    diff -u /dev/null "$work/err" || failed=1
fi
exit $failed
