"""Training steps of nets against PyTorch at its better thread count: a U-Net on 28 x 28, an attention layer, coupling layers with splines;
peak memory of both; products inside against SGEMM at the same shapes; grouped products of experts against padded ones."""
import json
import os
import subprocess
import sys

from record import TINY, record

BUILD = os.environ["LIKELY_BUILD"]
THREADS = "2"
STEPS = {"unet": 12, "attention": 60, "coupling": 60}
TURNS = 1 if TINY else 2
PEER = r"""
import json, math, resource, sys, time
import torch, torch.nn as nn, torch.nn.functional as F
name, steps = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(int(sys.argv[3]))

class Block(nn.Module):
    def __init__(self, a, b, time):
        super().__init__()
        self.n1, self.c1 = nn.GroupNorm(8, a), nn.Conv2d(a, b, 3, padding=1)
        self.t = nn.Linear(time, b)
        self.n2, self.c2 = nn.GroupNorm(8, b), nn.Conv2d(b, b, 3, padding=1)
        self.skip = nn.Identity() if a == b else nn.Conv2d(a, b, 1)
    def forward(self, x, t):
        h = self.c1(F.silu(self.n1(x))) + self.t(t)[:, :, None, None]
        return self.skip(x) + self.c2(F.silu(self.n2(h)))

class UNet(nn.Module):
    def __init__(self, c=32):
        super().__init__()
        self.first, self.time = nn.Conv2d(1, c, 3, padding=1), nn.Linear(32, 2 * c)
        self.down = nn.ModuleList([Block(c, c, 2 * c), Block(c, 2 * c, 2 * c), Block(2 * c, 2 * c, 2 * c)])
        self.middle = Block(2 * c, 2 * c, 2 * c)
        self.up = nn.ModuleList([Block(4 * c, 2 * c, 2 * c), Block(4 * c, 2 * c, 2 * c), Block(3 * c, c, 2 * c)])
        self.norm, self.last = nn.GroupNorm(8, c), nn.Conv2d(c, 1, 3, padding=1)
    def forward(self, x, t):
        angle = t * (1000 * torch.exp(-math.log(10000) * torch.arange(16) / 16))
        t = F.silu(self.time(torch.cat([angle.sin(), angle.cos()], 1)))
        h, kept = self.first(x), []
        for i, block in enumerate(self.down):
            h = block(h, t)
            kept.append(h)
            h = F.avg_pool2d(h, 2) if i < 2 else h
        h = self.middle(h, t)
        for i, block in enumerate(self.up):
            h = block(torch.cat([h, kept.pop()], 1), t)
            h = F.interpolate(h, scale_factor=2, mode="nearest") if i < 2 else h
        return self.last(F.silu(self.norm(h)))

def spline(x, w, h, d, bound=4.0, least=1e-3):
    inside = x.abs() < bound
    v = torch.where(inside, x, torch.zeros_like(x))
    k = w.shape[-1]
    w = 2 * bound * (least + (1 - least * k) * F.softmax(w, -1))
    h = 2 * bound * (least + (1 - least * k) * F.softmax(h, -1))
    d = F.pad(least + F.softplus(d + math.log(math.expm1(1 - least))), (1, 1), value=1.0)
    xs, ys = F.pad(w.cumsum(-1), (1, 0)) - bound, F.pad(h.cumsum(-1), (1, 0)) - bound
    i = (torch.searchsorted(xs.detach(), v[..., None].detach()) - 1).clamp(0, k - 1)
    pick = lambda t: t.gather(-1, i)[..., 0]
    x0, y0, w, h, d0, d1 = pick(xs), pick(ys), pick(w), pick(h), pick(d), d.gather(-1, i + 1)[..., 0]
    s, u = h / w, (v - x0) / w
    both = u * (1 - u)
    below = s + (d0 + d1 - 2 * s) * both
    y = y0 + h * (s * u * u + d0 * both) / below
    slope = 2 * s.log() + (d1 * u * u + 2 * s * both + d0 * (1 - u) ** 2).log() - 2 * below.log()
    return torch.where(inside, y, x), torch.where(inside, slope, torch.zeros_like(slope))

class Coupling(nn.Module):
    def __init__(self, d=16, k=8, width=64):
        super().__init__()
        self.d, self.k = d, k
        self.nets = nn.ModuleList([nn.Sequential(nn.Linear(d // 2, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
                                                 nn.Linear(width, d // 2 * (3 * k - 1))) for _ in range(4)])
    def forward(self, x):
        total = 0
        for net in self.nets:
            a, b = x.chunk(2, 1)
            raw = net(a).view(-1, self.d // 2, 3 * self.k - 1)
            y, slope = spline(b, raw[..., :self.k], raw[..., self.k:2 * self.k], raw[..., 2 * self.k:])
            total = total + slope.sum(1)
            x = torch.cat([a, y], 1).flip(1)
        return x, total

if name == "unet":
    net, x, t = UNet(), torch.randn(64, 1, 28, 28), torch.rand(64, 1)
    if sys.argv[4] == "last":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    loss_of = lambda: (net(x, t) ** 2).mean()
elif name == "attention":
    net, x = nn.MultiheadAttention(128, 4, batch_first=True), torch.randn(32, 128, 128)
    loss_of = lambda: (net(x, x, x, need_weights=False)[0] ** 2).mean()
else:
    net, x = Coupling(), torch.randn(1024, 16)
    def loss_of():
        z, slope = net(x)
        return 0.5 * (z ** 2).mean() - slope.mean()
optimizer = torch.optim.AdamW(net.parameters())
best = 1e300
for s in range(steps):
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    loss_of().backward()
    optimizer.step()
    best = min(best, time.perf_counter() - start)
blas = [l.split("BLAS_INFO=")[1].split(",")[0] for l in torch.__config__.show().splitlines() if "BLAS_INFO=" in l]
print(json.dumps({"step_ms": 1e3 * best, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                  "version": torch.__version__, "blas": blas}))
"""


def ours(name, steps):
    env = dict(os.environ, OMP_NUM_THREADS=THREADS)
    out = subprocess.run([os.path.join(BUILD, "bench/bench_nets"), name, str(steps), THREADS], env=env, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return json.loads(out.stdout)


def peer(name, threads, layout):
    env = dict(os.environ, OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads)
    out = subprocess.run([sys.executable, "-c", PEER, name, str(STEPS[name]), threads, layout], env=env, capture_output=True, text=True)
    return json.loads(out.stdout) if out.returncode == 0 else None


peers_there = False
for net in sys.argv[1:] or ["unet", "attention", "coupling"]:
    runs, peers = [], []
    for turn in range(TURNS):
        runs.append(ours(net, 2 if TINY else STEPS[net]))
        if not TINY:
            tries = [peer(net, threads, layout) for threads in ("1", "2") for layout in (("first", "last") if net == "unet" else ("first",))]
            peers += [p for p in tries if p]
    best, peak = min(r["step_ms"] for r in runs), min(r["peak_mb"] for r in runs)
    if peers:
        peers_there = True
        theirs, theirs_peak = min(p["step_ms"] for p in peers), min(p["peak_mb"] for p in peers)
        torch = "torch " + peers[0]["version"]
        record("nets_%s_step_ms" % net, best, "ms", torch, theirs, theirs / best)
        record("nets_%s_peak_mb" % net, peak, "MB", torch, theirs_peak, theirs_peak / peak)
        print("peer's BLAS:", peers[0]["blas"])
    else:
        record("nets_%s_step_ms" % net, best, "ms")
        record("nets_%s_peak_mb" % net, peak, "MB")
    record("nets_%s_start_ms" % net, min(r["start_ms"] for r in runs), "ms")
parts = ours("products", 2 if TINY else 30)
for part, share in parts.items():
    if part != "threads":
        record("nets_%s_of_sgemm" % part, share, "ratio")
runs, padded = ours("experts", 2 if TINY else 20), ours("padded", 2 if TINY else 20)
record("nets_experts_step_ms", runs["step_ms"], "ms", "padded groups", padded["step_ms"], padded["step_ms"] / runs["step_ms"])
record("nets_experts_tensor_mb", runs["tensor_mb"], "MB", "padded groups", padded["tensor_mb"], padded["tensor_mb"] / runs["tensor_mb"])
sys.exit(0 if peers_there or TINY else 77)
