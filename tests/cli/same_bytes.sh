# A model file depends on the data, the options and the seed alone: not on threads, memory, format or the way it came.
cp "$DATA/iris.csv" .
cut -d, -f1-4 iris.csv >n.csv
likely fit n.csv -k 3 -q -o a.lk --threads 1
likely fit n.csv -k 3 -q -o b.lk --threads 2
cmp a.lk b.lk && echo threads
likely convert n.csv -o n.tsv && likely fit n.tsv -k 3 -q -o b.lk && cmp a.lk b.lk && echo tsv
{ echo x1,x2,x3,x4; tail -n +2 n.csv; } >x.csv
likely convert x.csv -o x.npy
likely fit x.csv -k 3 -q -o a.lk
likely fit x.npy -k 3 -q -o b.lk
cmp a.lk b.lk && echo npy
likely sample a.lk -n 20000 -o big.csv
likely convert big.csv -o big.npy
likely fit big.csv -k 2 --max-iter 20 --restarts 1 --tol 0 -q -o a.lk
likely fit big.csv -k 2 --max-iter 20 --restarts 1 --tol 0 -q -o b.lk --memory 100K
cmp a.lk b.lk && echo "memory, csv"
likely fit big.npy -k 2 --max-iter 20 --restarts 1 --tol 0 -q -o b.lk --memory 100K --threads 1
cmp a.lk b.lk && echo "memory, npy"
likely fit - -k 2 --max-iter 20 --restarts 1 --tol 0 -q -o b.lk --memory 100K <big.csv
cmp a.lk b.lk && echo "memory, standard input"
likely density a.lk big.csv --threads 1 -o a.csv
likely density a.lk big.npy --threads 2 --memory 1M -o b.csv
cmp a.csv b.csv && echo density
