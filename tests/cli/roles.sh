# Which columns play which part.
cat >d.csv <<'END'
name,w,x,y,group
a,1,0.5,1,u
b,2,1.5,3,v
c,1,2.5,2,u
d,0,9.5,9,v
e,3,3.5,5,v
f,1,4.0,4,u
g,1,1.0,0,u
END
columns() { likely fit d.csv -k 1 -o m.lk --json "$@" | json '[v["columns"], v["n"]]'; }
columns
columns --features x,y
columns --features 4,3
columns --weight w --ignore group --id name
columns --ignore w,name,group
columns --ignore 2
columns --weight 2 --features y
try likely fit d.csv --features x,z
try likely fit d.csv --features name
try likely fit d.csv --features 6
try likely fit d.csv --weight name
try likely fit d.csv --features x --ignore x -k 1 -o n.lk
# A weight of 2 is the row twice, of 0 the row absent.
awk -F, '{ for (i = NR == 1 ? 1 : $2; i > 0; i--) print $3 "," $4 }' d.csv >repeated.csv
likely fit repeated.csv -k 1 -o r.lk --json | json '[v["n"], [round(x, 9) for x in v["components"][0]["mean"]]]'
likely fit d.csv --weight w --features x,y -k 1 -o w.lk --json | json '[v["n"], [round(x, 9) for x in v["components"][0]["mean"]]]'
likely evaluate w.lk d.csv --weight w --json | json 'v["rows"]'
likely evaluate w.lk d.csv --json | json 'v["rows"]'
# A model finds its columns by name, wherever they stand.
printf 'y,extra,x\n3,0,1.5\n' | likely density w.lk - >a
likely density w.lk d.csv --id name,group | sed -n 3p | cut -d, -f1,2
likely density w.lk d.csv | sed -n '1p;3p' | cmp - a && echo "same density"
printf '1.5,3\n' | likely density w.lk - --no-header | cmp - a && echo "by position without names"
try likely density w.lk "$DATA/faithful.csv"
printf '1.5\n' >one.csv
try likely density w.lk one.csv --no-header
try likely density w.lk d.csv --id nobody
