import { it } from 'vitest';
import { capabilities } from '../lib/native/addon.js';
import { defaultCqt, spiceCqt, checkCqt } from '../lib/features/cqt-config.js';
import { cqtFilters } from '../lib/features/cqt-filters.js';
import { cqtStages, cqtKernels } from '../lib/features/cqt-kernels.js';
import { featuresSync } from '../lib/features/compute.js';
import { cqtFrontEnd } from '../lib/features/cqt.js';
import { logMelSync } from '../lib/features/log-mel.js';
import { cqt64 } from './helpers/cqt64.js';
import { Random } from '../lib/util/random.js';
it('x', () => {
  const rng = new Random(1);
  for (const c of [defaultCqt, spiceCqt, checkCqt({gamma:0, binsPerOctave: 36, hop: 160}), checkCqt({hop:160}), checkCqt({hop:147, bins:100}), checkCqt({window:'blackman',bins:120}),checkCqt({binsPerOctave:12,bins:80,lowestHz:60,gamma:0})]) {
    const x = Float32Array.from({ length: 16000 }, () => rng.uniform(-1, 1));
    const f = cqtFilters(c);
    const counts: Record<number, number> = {};
    for (const l of f.levels) counts[l] = (counts[l] ?? 0) + 1;
    const st = cqtStages(c);
    console.log('latency', f.latency, 'half', f.lengths[0]!/2, counts, 'table', st.stages.map(s=>[s.level,s.firstBin,s.bins,s.length,s.skip]), st.stages.reduce((a,s)=>a+s.re.length*2,0));
    const only = [0, 5, 20, Math.floor(16000 / c.hop)];
    const ref = cqt64(x, c, only);
    for (const isa of capabilities().available) {
      const y = featuresSync(x, { frontEnd: { ...c, output: 'magnitude' }, isa });
      let worst = 0, top = 0;
      only.forEach((m, i) => { for (let k = 0; k < c.bins; k++) { worst = Math.max(worst, Math.abs(y[m * c.bins + k]! - ref[i * c.bins + k]!)); top = Math.max(top, ref[i * c.bins + k]!); } });
      const long = new Float32Array(16000 * 20).map(() => rng.uniform(-1, 1));
      const out = new Float32Array(cqtFrontEnd.frameCount(long.length, c) * c.bins);
      const time = (fn: () => void) => { let best = 1e9; for (let r = 0; r < 12; r++) { const t = performance.now(); fn(); best = Math.min(best, performance.now() - t); } return best / 1000 / 20; };
      const t = time(() => featuresSync(long, { frontEnd: c, isa, out }));
      const fft = { fftSize: 4096, windowLength: 4096, hop: c.hop, bands: 1 };
      const t2 = time(() => logMelSync(long, { frontEnd: fft, isa }));
      console.log(isa, 'error', worst / top, 'cpu s/s', t.toExponential(2), 'us/frame', (t * c.hop / 16000 * 1e6).toFixed(2), 'fft4096 ratio', t2 / t);
    }
  }
}, 600000);
