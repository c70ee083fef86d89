# Figures: the program, and what gnuplot makes of it.
cp "$DATA/faithful.csv" "$DATA/iris.csv" "$DATA/galaxies.csv" .
for d in faithful iris galaxies; do likely fit $d.csv -k 2 -q -o $d.lk; done
echo == the program
likely plot faithful.lk faithful.csv --script >p.gp && grep -c '^set [xy]label' p.gp
grep '^set [xy]label' p.gp
grep -c '^set term' p.gp
likely plot faithful.lk faithful.csv --script -o 'a b.svg' | grep -e '^set term' -e '^set output'
likely plot faithful.lk --script -o '|touch hacked.png' | grep '^set output'
likely plot faithful.lk -o "it's \`touch hacked\`.svg" && ls it*
ls | grep hacked
likely plot iris.lk --script --features Petal.Width,1 --title "it's" | grep -e label -e title | head -3
likely plot iris.lk --script --features 1 -o "it's.png" | grep "^set output"
echo == components and candidates
likely plot faithful.lk faithful.csv --kind ellipses --script >e.gp && grep -c 'ellipses0 index' e.gp
sed -n '/^.points/,/^EOD/p' e.gp | sed -n 2p | cut -d' ' -f1-4
likely plot faithful.lk faithful.csv --kind uncertainty --script | grep -o 'points pt 7 ps variable lc rgb variable'
likely plot iris.lk iris.csv --kind ellipses --script | grep -c 'ellipses[0-9]* << EOD'
likely fit iris.csv -k 1..3 --covariance full,tied --init hierarchical --restarts 1 -q -o chosen.lk
likely plot chosen.lk --kind criterion --script | sed -n '/^.candidates/,/^set xrange/p' | cut -d. -f1
likely plot chosen.lk --kind criterion --script | grep -e 'set [xy]label'
echo == wrong
try likely plot faithful.lk --kind uncertainty
try likely plot faithful.lk --kind ellipses --features waiting
try likely plot faithful.lk --kind criterion
try likely plot faithful.lk --kind elipses
try likely plot faithful.lk --features wating
try likely plot faithful.lk --features waiting,waiting
try likely plot faithful.lk iris.csv --script
try likely plot faithful.lk -o figure
try likely diagnose faithful.lk --figure field.txt
try likely diagnose faithful.lk --figure field.png --sigma 1,2,3,4,5,6,7
echo == hostile names
printf '`touch a1`,"$(touch a2)","\047; system ""touch a3"" #","\\",{/:Bold x}@_\n' >h.csv
awk 'BEGIN { srand(3); for (i = 0; i < 60; i++) print rand() "," rand() "," rand() "," rand() "," rand() }' >>h.csv
likely fit h.csv -k 1 -q
likely plot h.lk h.csv --script | grep -a "label " | sort -u
if ! command -v gnuplot >/dev/null; then
    try likely plot faithful.lk >/dev/null
    exit 0
fi
likely plot h.lk h.csv -o h.png && ls a1 a2 a3 2>/dev/null
printf '`touch b1`,"; system(\047touch b2\047)"\n' >h.csv
awk 'BEGIN { srand(3); for (i = 0; i < 60; i++) print rand() "," rand() }' >>h.csv
likely fit h.csv -k 1 -q && likely plot h.lk h.csv -o h.svg --title '`touch b3`' && ls b1 b2 b3 2>/dev/null
grep -o '`touch b1`' h.svg
printf "'''a'';b',\303\244 \342\202\254\n" >h.csv
awk 'BEGIN { srand(3); for (i = 0; i < 60; i++) print rand() "," rand() }' >>h.csv
likely fit h.csv -k 1 -q && likely plot h.lk h.csv -o h.svg --title "'' \\ \"q\" \$507 @1 #c"
grep -o -e ">[^<>]*a''[^<>]*<" -e '>[^<>]*#c<' -e '>[^<>]*€<' h.svg
echo == kinds
for d in faithful iris galaxies; do
    for kind in png svg pdf txt; do
        likely plot $d.lk $d.csv -o $d.$kind || echo "no $d.$kind"
        test -s $d.$kind || echo "$d.$kind is empty"
    done
    likely plot $d.lk -o without.png || echo "no $d without data"
done
for kind in png svg pdf txt; do
    likely plot faithful.lk faithful.csv --kind ellipses -o e.$kind && likely plot iris.lk iris.csv --kind uncertainty -o u.$kind &&
        likely plot chosen.lk --kind criterion -o c.$kind && test -s e.$kind && test -s u.$kind && test -s c.$kind || echo "no $kind of a kind"
done
for kind in png svg pdf; do
    likely diagnose faithful.lk --points 100 --figure d.$kind >/dev/null && test -s d.$kind || echo "no $kind of a field"
done
grep -o -e 'noise [0-9.]*: antisymmetric share 0<' -e 'noise [0-9.]*: local dimension' d.svg
printf "eruptions' = -waiting\nwaiting' = eruptions\n" >turn.txt
likely diagnose iris.lk --sigma 0,0.5 --points 50 -q --figure i.svg >/dev/null && grep -o -e 'no noise: [a-z ]*' -e 'noise 0.5: local dimension' i.svg
likely diagnose galaxies.lk --sigma 0 --points 50 -q --figure g.svg >/dev/null && grep -o 'no noise: the field' g.svg
likely diagnose faithful.lk --field turn.txt --sigma 0 --points 50 -q --figure t.svg >/dev/null 2>&1; echo "exit $?"; ls t.svg
ls | grep -e '^d\.[a-z]*\.' -e '~$'
head -c 4 faithful.png | tail -c 3; echo
head -c 4 faithful.pdf; echo
head -c 5 faithful.svg; echo
likely plot faithful.lk faithful.csv | grep -c . | awk '{ print ($1 > 15) ? "text in the terminal" : "too short" }'
likely plot faithful.lk --format svg | head -c 5; echo
likely plot faithful.lk faithful.csv --script -o s.png | LC_ALL=C.UTF-8 gnuplot && cmp s.png faithful.png && echo "the program makes the figure"
likely plot faithful.lk faithful.csv -o again.png && cmp again.png faithful.png && echo "the same figure twice"
echo == many rows are thinned
likely sample faithful.lk -n 20001 -o many.csv
likely plot faithful.lk many.csv --script --points 1000 | sed -n '/^.points/,/^EOD/p' | wc -l
ls | grep -e '\.[A-Za-z0-9]\{6\}$'
try likely plot faithful.lk faithful.csv -o nowhere/f.png
PATH=$(dirname "$(command -v likely)") likely plot faithful.lk -o none.png
echo "without gnuplot: exit $?"
ls none.png 2>/dev/null
true
