// The vocal tract in double precision, written from the formulas in docs/vocal-tract.md and as plainly as possible: both
// halves of a step, every wave, every junction. Shares no code with the synthesiser.

export interface Tract64 {
  /** Radii (cm) of eight places, f0, open quotient, tilt, aspiration, voicing, frication, its place, velum; one row a frame. */
  frames: number[][];
  hop: number;
  samples: number;
  seed: number;
  length?: number;
  glottal?: number;
  lip?: number;
  loss?: number;
  excitation?: ArrayLike<number>;
  /** Controls are exact at every so many steps and what follows from them (areas → reflection) is linear between; 1: exact. */
  block?: number;
}

const NOSE = [0, 0.8, 1.2, 1.35, 1.3, 1.2, 1.1, 1, 0.85, 0.65];
const M = 16;

/** Sound at the steps of the tube, `count` of them. */
export function steps64(t: Tract64, count: number): Float64Array {
  const { glottal = 0.75, lip = -0.85, loss = 0.999, block = 1 } = t;
  const rate = (M * 350) / ((2 * (t.length ?? 17.5)) / 100);
  const controls = (step: number) => {
    const at = Math.min((step * 16000) / rate / t.hop, t.frames.length - 1);
    const i = Math.floor(at);
    const a = t.frames[i]!;
    const b = t.frames[Math.min(i + 1, t.frames.length - 1)]!;
    return a.map((x, c) => x + (b[c]! - x) * (at - i));
  };
  const coefficients = (row: number[]) => {
    const area = Array.from({ length: M }, (_, i) => {
      const at = ((i + 0.5) / M) * 7;
      const j = Math.floor(at);
      return (row[j]! + (row[j + 1]! - row[j]!) * (at - j)) ** 2;
    });
    const k = area.slice(1).map((next, i) => (area[i]! - next) / (area[i]! + next));
    const total = area[7]! + area[8]! + row[15]! ** 2;
    const meet = [area[7]!, area[8]!, row[15]! ** 2].map((a) => (2 * a) / total);
    const first = (row[15]! ** 2 - 0.64) / (row[15]! ** 2 + 0.64);
    const share = area.map((_, i) => Math.max(0, 1 - Math.abs(row[14]! - i)));
    return { source: row.slice(8, 14), k, meet: [...meet, first], share };
  };
  const between = (step: number) => {
    const start = Math.floor(step / block) * block;
    const a = coefficients(controls(start));
    if (start === step) return a;
    const b = coefficients(controls(start + block));
    const mix = (p: number[], q: number[]) => p.map((x, i) => x + ((q[i]! - x) * (step - start)) / block);
    return {
      source: mix(a.source, b.source),
      k: mix(a.k, b.k),
      meet: mix(a.meet, b.meet),
      share: mix(a.share, b.share),
    };
  };

  let u = t.seed >>> 0;
  let phase = 0;
  let flowBefore = 0;
  let tilted = 0;
  let f = new Array(M).fill(0);
  let b = new Array(M).fill(0);
  let nf = new Array(10).fill(0);
  let nb = new Array(10).fill(0);
  const out = new Float64Array(count);
  for (let n = 0; n < count; n++) {
    const { source, k, meet, share } = between(n);
    const [f0, open, tilt, aspiration, voicing, frication] = source as [number, number, number, number, number, number];
    u = (Math.imul(1664525, u) + 1013904223) >>> 0;
    const noise = u / 2 ** 31 - 1;
    phase = (phase + f0 / rate) % 1;
    const x = phase / open;
    const flow = x < 1 ? x * x - x * x * x : 0;
    tilted = (1 - tilt) * (((flow - flowBefore) * open * rate) / f0) * voicing + tilt * tilted;
    flowBefore = flow;
    const input = tilted + aspiration * noise * (x < 1 ? 1 : 0.5) + (t.excitation?.[n] ?? 0);

    out[n] = (1 + lip) * (f[15] + nf[9]);
    for (const half of [0, 1]) {
      const f2 = new Array(M).fill(0);
      const b2 = new Array(M).fill(0);
      const nf2 = new Array(10).fill(0);
      const nb2 = new Array(10).fill(0);
      f2[0] = glottal * b[0];
      b2[15] = lip * f[15];
      nb2[9] = lip * nf[9];
      for (let i = 0; i < M - 1; i++) {
        if (i === 7) continue;
        f2[i + 1] = (1 + k[i]!) * f[i] - k[i]! * b[i + 1];
        b2[i] = k[i]! * f[i] + (1 - k[i]!) * b[i + 1];
      }
      const pressure = meet[0]! * f[7] + meet[1]! * b[8] + meet[2]! * nb[0];
      f2[8] = pressure - b[8];
      b2[7] = pressure - f[7];
      nf2[0] = pressure - nb[0];
      for (let i = 0; i < 9; i++) {
        const kn = i === 0 ? meet[3]! : (NOSE[i]! ** 2 - NOSE[i + 1]! ** 2) / (NOSE[i]! ** 2 + NOSE[i + 1]! ** 2);
        nf2[i + 1] = (1 + kn) * nf[i] - kn * nb[i + 1];
        nb2[i] = kn * nf[i] + (1 - kn) * nb[i + 1];
      }
      if (half === 0) f2[0] += input;
      // Half a step after the input in odd sections: there the waves of whole steps are.
      for (let i = half; i < M; i += 2) f2[i] += share[i]! * frication * noise;
      f = f2.map((v) => v * loss);
      b = b2.map((v) => v * loss);
      nf = nf2.map((v) => v * loss);
      nb = nb2.map((v) => v * loss);
    }
  }
  return out;
}

/** Sound at 16 kHz: of a tract of 17.5 cm the steps themselves, of others these resampled by a long windowed sinc. */
export function vocalTract64(t: Tract64): Float64Array {
  const perSample = 17.5 / (t.length ?? 17.5);
  if (perSample === 1) return steps64(t, t.samples);
  const stretch = Math.max(1, perSample);
  const half = 16 * stretch;
  const y = steps64(t, Math.ceil(t.samples * perSample + half) + 1);
  const bessel = (x: number) => {
    let sum = 1;
    for (let k = 1, term = 1; k < 60; k++) {
      term *= (x / 2 / k) ** 2;
      sum += term;
    }
    return sum;
  };
  return Float64Array.from({ length: t.samples }, (_, m) => {
    const at = m * perSample;
    let total = 0;
    for (let n = Math.max(0, Math.ceil(at - half)); n < at + half && n < y.length; n++) {
      const d = (at - n) / stretch;
      const sinc = d === 0 ? 0.92 : Math.sin(Math.PI * 0.92 * d) / (Math.PI * d);
      total += (y[n]! * sinc * bessel(6 * Math.sqrt(Math.max(0, 1 - (d / 16) ** 2)))) / bessel(6) / stretch;
    }
    return total;
  });
}
