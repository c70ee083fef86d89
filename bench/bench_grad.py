"""A training step of a net 3-256-256-256-2 on batches of 1024 rows against PyTorch: milliseconds a step, the two by turns on the same
machine, and the matrix products of the step by themselves as the floor."""
import json
import os
import subprocess
import sys

from record import TINY, record

BUILD = os.environ["LIKELY_BUILD"]
THREADS = "2"
STEPS = "3" if TINY else "200"
TURNS = 1 if TINY else 4
PEER = r"""
import sys, time, json, torch
torch.set_num_threads(int(sys.argv[2]))
w = [3, 256, 256, 256, 2]
layers = []
for i in range(4):
    layers += [torch.nn.Linear(w[i], w[i + 1])] + ([torch.nn.SiLU()] if i < 3 else [])
net = torch.nn.Sequential(*layers)
optimizer = torch.optim.AdamW(net.parameters())
x, t = torch.randn(1024, 3), torch.randn(1024, 2)
best = 1e300
for s in range(int(sys.argv[1])):
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    ((net(x) - t) ** 2).mean().backward()
    optimizer.step()
    best = min(best, time.perf_counter() - start)
blas = [l.split("BLAS_INFO=")[1].split(",")[0] for l in torch.__config__.show().splitlines() if "BLAS_INFO=" in l]
print(json.dumps({"step_ms": 1e3 * best, "version": torch.__version__, "blas": blas}))
"""


def ours():
    env = dict(os.environ, OMP_NUM_THREADS=THREADS)
    out = subprocess.run([os.path.join(BUILD, "bench/bench_grad"), STEPS, THREADS], env=env, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return json.loads(out.stdout)


def peer(threads):
    env = dict(os.environ, OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads)
    out = subprocess.run([sys.executable, "-c", PEER, STEPS, threads], env=env, capture_output=True, text=True)
    return json.loads(out.stdout) if out.returncode == 0 else None


runs, peers = [], []
for turn in range(TURNS):
    runs.append(ours())
    if not TINY:
        peers += [p for p in (peer("1"), peer("2")) if p]
best = min(r["step_ms"] for r in runs)
floor = min(r["products_ms"] for r in runs)
if peers:
    theirs = min(p["step_ms"] for p in peers)
    record("grad_step_ms", best, "ms", "torch " + peers[0]["version"], theirs, theirs / best)
else:
    record("grad_step_ms", best, "ms")
record("grad_step_floor_ms", floor, "ms")
record("grad_start_ms", min(r["start_ms"] for r in runs), "ms")
sys.exit(0 if peers or TINY else 77)
