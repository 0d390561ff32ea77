"""Figures that test/federate-privacy.test.ts compares with.

    pip install dp-accounting==0.6.0
    python test/golden/make_dp_accounting.py > test/golden/dp-accounting.json
"""
import importlib.metadata
import json

import dp_accounting
from dp_accounting import rdp

CASES = [  # sampling, noise, rounds, delta
    (1, 1.0, 1, 1e-5),
    (1, 4.0, 50, 1e-5),
    (0.1, 1.0, 1, 1e-5),
    (0.1, 1.0, 100, 1e-5),
    (0.1, 0.6, 20, 1e-3),
    (0.05, 2.0, 500, 1e-6),
    (0.5, 1.5, 30, 1e-4),
    (0.01, 0.8, 1000, 1e-6),
    (0.9, 3.0, 10, 1e-5),
    (0.2, 10.0, 5, 1e-2),
    (0.02, 0.3, 10, 1e-4),
    (0.3, 50.0, 2000, 1e-8),
]


def epsilon(sampling, noise, rounds, delta):
    accountant = rdp.RdpAccountant()
    gaussian = dp_accounting.GaussianDpEvent(noise)
    accountant.compose(dp_accounting.PoissonSampledDpEvent(sampling, gaussian), rounds)
    return accountant.get_epsilon(delta)


json.dump(
    {
        "dp-accounting": importlib.metadata.version("dp-accounting"),
        "cases": [
            dict(sampling=q, noise=z, rounds=n, delta=d, epsilon=epsilon(q, z, n, d)) for q, z, n, d in CASES
        ],
    },
    fp=__import__("sys").stdout,
    indent=1,
)
