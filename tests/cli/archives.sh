# NPZ and IDX: which arrays make the table, in files, pipes and gzip.
"$python" - <<'END'
import struct
import zipfile
import numpy as np
x = np.array([[1.5, 2], [3, 4], [5, 6]])
y = np.array([0, 1, 1])
np.savez_compressed("both.npz", X=np.asfortranarray(x), y=y, names=np.array(["a", "b", "c"]))
np.savez("stored.npz", X=x, y=y)
np.savez("several.npz", A=x, B=x.T, c=np.arange(7))
np.savez("vectors.npz", a=y, b=y * 0.5)
open("cube.idx", "wb").write(struct.pack(">4B3I", 0, 0, 8, 3, 2, 2, 2) + bytes(range(8)))
END
echo == npz
likely convert both.npz
likely convert both.npz:X
likely convert both.npz:y --format jsonl
likely convert vectors.npz
for file in both stored; do
    likely convert $file.npz -q >x.csv
    likely convert - <$file.npz -q | cmp - x.csv && cat $file.npz | likely convert - -q | cmp - x.csv && echo "$file: file and pipe"
    gzip -c $file.npz | likely convert - -q --memory 1K | cmp - x.csv && echo "$file: gzip"
    likely convert $file.npz:X --memory 1 -q --input-format npz >little.csv
    cut -d, -f1,2 x.csv | cmp - little.csv && echo "$file: in little memory"
done
echo == choices
try likely convert several.npz
likely convert several.npz:B
try likely convert several.npz:Z
try likely convert nothing.npz:X
try likely convert x.csv:X
try likely convert both.npz --types y=category
echo == idx
likely convert cube.idx
gzip -c cube.idx | likely convert - --input-format idx --columns x4
try likely convert cube.idx --input-format npz
try likely convert cube.idx --input-format npy
echo == damaged
head -c 400 both.npz >cut.npz
try likely convert cut.npz
"$python" - <<'END'
data = bytearray(open("stored.npz", "rb").read())
data[data.index(b"NUMPY") + 130] ^= 1
open("bad.npz", "wb").write(data)
END
try likely convert bad.npz -o bad.csv
ls bad.csv 2>/dev/null
echo == names of models
cp "$DATA/iris.csv" .
likely convert iris.csv --ignore Species -o iris.npy
"$python" -c 'import numpy as np; np.savez("flowers.npz", X=np.load("iris.npy"), k=np.arange(150) // 50)'
likely fit flowers.npz:X -k 1 -q && ls flowers*.lk
likely fit flowers.npz --ignore k -k 1 -q -o labelled.lk && likely density flowers.lk flowers.npz >a
likely density labelled.lk flowers.npz:X >b
cmp a b && echo "the same model"
