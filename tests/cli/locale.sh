# Numbers have a point whatever the locale of the user.
if ! locale -a 2>/dev/null | grep -qi '^de_DE.utf-\{0,1\}8$'; then
    echo "skip: the locale de_DE.UTF-8 is not installed"
    exit 77
fi
cp "$DATA/faithful.csv" .
LC_ALL=C likely fit faithful.csv -k 2 -q -o c.lk --tol 0.00001
LC_ALL=de_DE.UTF-8 likely fit faithful.csv -k 2 -q -o d.lk --tol 0.00001
cmp c.lk d.lk && echo "same model"
for verb in density score cluster; do
    LC_ALL=C likely $verb c.lk faithful.csv >c
    LC_ALL=de_DE.UTF-8 likely $verb c.lk faithful.csv | cmp - c && echo "same $verb"
done
LC_ALL=C likely info c.lk >c
LC_ALL=de_DE.UTF-8 likely info c.lk | cmp - c && echo "same info"
LC_ALL=C likely plot c.lk --script >c
LC_ALL=de_DE.UTF-8 likely plot c.lk --script | cmp - c && echo "same figure"
