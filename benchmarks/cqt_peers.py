"""Constant-Q transforms of other libraries for benchmarks/cqt.mjs: reads lines `PEER CONFIG`, answers with the CPU and
wall-clock seconds of one run, or `-` if the library isn't there or doesn't compute this. One thread.

    pip install librosa nnAudio torch
"""

import json
import os
import sys
import time
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
warnings.filterwarnings("ignore")

configs = json.loads(sys.argv[1])
seconds = float(sys.argv[2])

import numpy as np  # noqa: E402

samples = {}
made = {}


def signal(rate):
    if rate not in samples:
        samples[rate] = np.random.default_rng(1).uniform(-1, 1, int(seconds * rate)).astype(np.float32)
    return samples[rate]


def librosa_run(c):
    import librosa

    x = signal(c["sampleRate"])
    keys = dict(sr=c["sampleRate"], hop_length=c["hop"], fmin=c["lowestHz"], n_bins=c["bins"])
    keys.update(bins_per_octave=c["binsPerOctave"], sparsity=0.01, res_type="soxr_hq")
    if c["gamma"]:
        return lambda: np.abs(librosa.vqt(x, gamma=c["gamma"], **keys))
    return lambda: np.abs(librosa.cqt(x, **keys))


def nnaudio_run(kind):
    def make(c):
        import torch
        from nnAudio import features

        torch.set_num_threads(1)
        keys = dict(sr=c["sampleRate"], hop_length=c["hop"], fmin=c["lowestHz"], n_bins=c["bins"], verbose=False)
        keys.update(bins_per_octave=c["binsPerOctave"])
        if c["gamma"] and kind != "VQT":
            return None
        if kind == "VQT":
            keys.update(gamma=c["gamma"])
        layer = getattr(features, kind)(**keys)
        x = torch.from_numpy(signal(c["sampleRate"]))[None]

        def run():
            with torch.no_grad():
                layer(x)

        return run

    return make


peers = {
    "librosa": librosa_run,
    "nnAudio-CQT1992v2": nnaudio_run("CQT1992v2"),
    "nnAudio-CQT2010v2": nnaudio_run("CQT2010v2"),
    "nnAudio-VQT": nnaudio_run("VQT"),
}

for line in sys.stdin:
    key = tuple(line.split())
    if key not in made:
        try:
            made[key] = peers[key[0]](configs[key[1]])
            if made[key]:
                made[key]()
        except Exception as error:  # a peer that fails is reported, not hidden
            print(f"{key[0]} {key[1]}: {error}", file=sys.stderr)
            made[key] = None
    if not made[key]:
        print("-", flush=True)
        continue
    cpu, wall = time.process_time(), time.perf_counter()
    made[key]()
    print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)
