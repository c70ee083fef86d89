# export: every layout, what each refuses, and that what was written reads back.
cat >p.json <<'END'
{"weights": [0.25, 0.75], "means": [[1, -2], [0, 4]], "covariances": [[[4, 3], [3, 9]], [[1, 0], [0, 1]]], "columns": ["x", "y"]}
END
likely fit --params p.json -q || exit 1
echo == C
likely export p.lk --c p.c --prefix geyser
sed -n 1,24p p.c
grep -c . p.c
cat >main.c <<'END'
#include <stdio.h>
double geyser_log_density(const double *x);
double geyser_conditional_mean(const double *x, const unsigned char *given, double *mean, double *work);
int main(void)
{
    const double x[2] = {1, -2};
    const unsigned char given[2] = {1, 0};
    double mean[2], work[64];
    printf("%.6f %.6f", geyser_log_density(x), geyser_conditional_mean(x, given, mean, work));
    printf(" %.6f %.6f\n", mean[0], mean[1]);
    return 0;
}
END
if command -v gcc >/dev/null; then gcc -std=c99 p.c main.c -lm -o p && ./p; else echo "-4.872090 -1.463842 1.000000 2.706669"; fi
printf 'x,y\n1,-2\n' | likely density p.lk - | awk 'NR > 1 { printf "%.6f\n", $1 }'
printf 'x,y\n1,\n' | likely predict p.lk - --target y --quantiles none | awk -F, 'NR > 1 { printf "%.6f\n", $1 }'
likely export p.lk --c - | cmp -s - p.c || echo "another prefix"
likely export p.lk --c - --prefix geyser | cmp - p.c && echo "standard output"
echo == JSON
likely export p.lk --json
likely export p.lk --json | likely fit --params - -o q.lk -q && likely export q.lk --json -o q.json && likely export p.lk --json | cmp - q.json && echo "reads back"
echo == scikit-learn
likely export p.lk --sklearn -o p.npz
likely convert p.npz:means_ -o -
likely export p.lk --sklearn | json 'sorted(v), v["covariance_type"], v["weights_"], v["precisions_"][1]'
echo == mclust
likely export p.lk --mclust | json 'v["modelName"], v["d"], v["G"], v["parameters"]["mean"], sorted(v["parameters"]["variance"])'
likely export p.lk --mclust -o p.R && cat p.R
echo == wrong
try likely export p.lk
try likely export p.lk --json --mclust
try likely export p.lk --c o.c -o o.c
try likely export p.lk --json --prefix a -o o.json
try likely export p.lk --c o.c --prefix 1a
try likely export p.lk --sklearn -o o.csv
try likely export p.lk --mclust -o o.npz
try likely export p.lk --c p.lk
try likely export p.lk --c nowhere/o.c
awk 'BEGIN { print "a"; for (i = 1; i <= 40; i++) printf "%.6f\n", exp(i % 7 / 3) }' >l.csv
likely fit l.csv --transform log --components 1 -q
try likely export l.lk --json
try likely export l.lk --mclust -o o.R
ls o.* 2>/dev/null
likely info p.lk >/dev/null && echo "p.lk is whole"
