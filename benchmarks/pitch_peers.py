"""Other pitch trackers, and the same training step in PyTorch, for benchmarks/pitch.mjs: reads a name a line, answers with the
CPU seconds of one run, or `-` if the library isn't there. One thread.

    pitch_peers.py RECORDING.wav CHANNELS BATCH        pip install aubio librosa torch (or Debian's python3-aubio)
"""

import os
import sys
import time
import warnings
import wave

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402

recording, channels, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
RATE = 16000
# As in lib/systems/pitch: frames of a piece, frames that are answered for, bins.
FRAMES, OUT, BINS = 12, 8, 168


def samples():
    with wave.open(recording) as w:
        return np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(np.float32) / 32768


def aubio_run(method, hop=320):
    import aubio

    x = samples()

    def run():
        tracker = aubio.pitch(method, 2048, hop, RATE)
        for i in range(0, len(x) - hop + 1, hop):
            tracker(x[i : i + hop])

    return run


def librosa_run(name, hop=320):
    import librosa

    x = samples()
    keys = dict(fmin=50, fmax=2000, sr=RATE, hop_length=hop)
    return lambda: getattr(librosa, name)(x, **keys)


def training_step():
    """The default objective's graph and losses on random batches, with Adam."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(1)
    c = channels

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.near = nn.Conv2d(1, c, (5, 15), padding=(0, 7))
            self.far = nn.Conv2d(c, c, (1, 15), padding=(0, 56), dilation=(1, 8))
            self.both = nn.Conv2d(c, c, (1, 5), padding=(0, 2))
            self.classes = nn.Conv2d(c, 1, 1)
            self.evidence = nn.Conv2d(c, 8, 1)
            self.hidden = nn.Conv2d(24, 16, 1)
            self.voiced = nn.Conv2d(16, 1, 1)

        def forward(self, x):
            act = lambda y: F.leaky_relu(y, 0.1)
            both = act(self.both(act(self.far(act(self.near(x))))))
            classes = self.classes(both)
            e = act(self.evidence(both))
            summary = torch.cat([e.amax(3, True), e.mean(3, True), e.std(3, unbiased=False, keepdim=True)], 1)
            return classes[:, 0], self.voiced(act(self.hidden(summary)))[:, 0, :, 0]

    net = Net()
    adam = torch.optim.Adam(net.parameters(), 1e-3)
    r = torch.Generator().manual_seed(1)
    x = torch.randn(3 * batch, 1, FRAMES, BINS, generator=r)
    index = torch.randint(0, BINS, (batch, OUT, BINS), generator=r)
    powers = 2 ** (torch.arange(BINS) / 24)
    ratio = torch.ones(batch, OUT)
    target = torch.softmax(torch.randn(batch, OUT, BINS, generator=r), 2)
    sounding = torch.rand(batch, OUT, generator=r)

    def run():
        y, voiced = net(x)
        y, voiced = y.view(3, batch, OUT, BINS), voiced.view(3, batch, OUT)
        p = torch.softmax(y, 3)
        teacher = p[0].detach()
        cross = lambda logits, q: -(q * torch.log_softmax(logits, 2)).sum(2).mean()
        moved = torch.gather(teacher, 2, index)
        z = (p * powers).sum(3)
        loss = 0.5 * cross(y[1], teacher) + 0.5 * cross(y[2], moved)
        loss = loss + 0.1 * F.huber_loss(z[2] / z[0], ratio, delta=2 ** (1 / 6) - 1)
        loss = loss + cross(y[0], target) + cross(y[1], target)
        sure = (sounding * torch.tanh(25 * (moved * p[2]).sum(2) ** 2)).detach()
        for i in (0, 1):
            loss = loss + 0.5 * F.binary_cross_entropy_with_logits(voiced[i], sure)
        adam.zero_grad()
        loss.backward()
        adam.step()

    return run


peers = {
    "aubio yinfft": lambda: aubio_run("yinfft"),
    "aubio yin": lambda: aubio_run("yin"),
    "librosa yin": lambda: librosa_run("yin"),
    "librosa pyin": lambda: librosa_run("pyin"),
    "PyTorch step": training_step,
}
made = {}
for line in sys.stdin:
    key = line.strip()
    if key not in made:
        try:
            made[key] = peers[key]()
            made[key]()
        except Exception as error:  # a peer that fails is reported, not hidden
            print(f"{key}: {error}", file=sys.stderr)
            made[key] = None
    if not made[key]:
        print("-", flush=True)
        continue
    cpu = time.process_time()
    made[key]()
    print(time.process_time() - cpu, flush=True)
