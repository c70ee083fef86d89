# fit --model kmeans: iris as scikit-learn 1.2.1 groups it (KMeans(3): inertia 78.851, 50, 62 and 38 rows); a number of centres chosen;
# mini-batches; the same bytes streamed and on one thread; refusals.
iris="$DATA/iris.csv"
likely fit "$iris" --features 1,2,3,4 --model kmeans -k 3 -o three.lk
likely cluster three.lk "$iris" | sort | uniq -c | sort -rn | sed 's/ *\([0-9]*\) .*/\1 rows/' | head -3
likely info three.lk --json | tr ',' '\n' | grep inertia
likely cluster three.lk "$iris" --proba | sed -n 2p
likely fit "$iris" --features 1,2,3,4 --model kmeans -k 3 -o streamed.lk --quiet --memory 64K --threads 1
cmp three.lk streamed.lk && echo "the same bytes"
likely fit "$DATA/faithful.csv" --model kmeans --transform standardize --quiet -o chosen.lk && likely info chosen.lk | grep "^method"
likely fit "$iris" --features 1,2,3,4 --model kmeans -k 3 --batch 64 --quiet -o batches.lk && echo fitted
likely sample three.lk -n 2 --seed 4 | wc -l
try likely fit "$iris" --features 1,2,3,4 --model kmeans -k 151 -o no.lk
try likely fit "$iris" --features 1,2,3,4 --model kmeans -k 150 -o no.lk
