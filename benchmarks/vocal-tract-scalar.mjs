// The vocal tract of 17.5 cm, voiced and oral, one at a time in JavaScript: what the native kernel does, without vectors.
// It too computes only the waves that differ from zero, and reflection coefficients once in 16 steps.

/**
 * @param {Float32Array} frames [frames, 16], one every 160 samples
 * @returns {Float32Array} `samples` of them, which must be a multiple of 16
 */
export function scalarTract(frames, samples, seed) {
  const rows = frames.length / 16;
  const out = new Float32Array(samples);
  const now = new Float64Array(28); // 15 reflection coefficients, 5 controls of the source
  const next = new Float64Array(28);
  const f = new Float64Array(17);
  const b = new Float64Array(17);
  const loss = 0.999 * 0.999;
  let [u, phase, flowBefore, tilted] = [seed, 0, 0, 0];
  coefficients(frames, rows, 0, now);
  for (let start = 0; start < samples; start += 16) {
    coefficients(frames, rows, start + 16, next);
    for (let c = 0; c < 20; c++) next[c] = (next[c] - now[c]) / 16;
    for (let j = 0; j < 16; j++) {
      const f0 = now[15] + next[15] * j;
      const open = now[16] + next[16] * j;
      const tilt = now[17] + next[17] * j;
      const aspiration = now[18] + next[18] * j;
      u = (Math.imul(1664525, u) + 1013904223) | 0;
      const noise = ((u ^ 0x80000000) | 0) / 2147483648;
      phase += f0 / 16000;
      if (phase >= 1) phase--;
      const x = phase / open;
      const flow = x < 1 ? x * x * (1 - x) : 0;
      const slope = ((flow - flowBefore) * open * 16000 * (now[19] + next[19] * j)) / f0;
      flowBefore = flow;
      tilted = slope + tilt * (tilted - slope);
      const lips = f[15];
      out[start + j] = 0.15 * lips;
      f[0] = 0.75 * b[0] + tilted + aspiration * noise * (x < 1 ? 1 : 0.5);
      for (let i = 1; i < 15; i += 2) {
        const d = (now[i] + next[i] * j) * (f[i] - b[i + 1]);
        const onwards = f[i] + d;
        b[i] = b[i + 1] + d;
        f[i + 1] = onwards;
      }
      b[15] = -0.85 * lips;
      for (let i = 0; i < 15; i += 2) {
        const d = (now[i] + next[i] * j) * (f[i] - b[i + 1]);
        const onwards = f[i] + d;
        b[i] = (b[i + 1] + d) * loss;
        f[i + 1] = onwards * loss;
      }
    }
    for (let c = 0; c < 20; c++) now[c] += 16 * next[c];
  }
  return out;
}

function coefficients(frames, rows, sample, to) {
  const at = Math.min(sample / 160, rows - 1);
  const row = Math.floor(at);
  const a = row * 16;
  const b = Math.min(row + 1, rows - 1) * 16;
  const w = at - row;
  let before = 0;
  for (let i = 0; i < 16; i++) {
    const place = ((i + 0.5) / 16) * 7;
    const j = Math.floor(place);
    const left = frames[a + j] + (frames[b + j] - frames[a + j]) * w;
    const right = frames[a + j + 1] + (frames[b + j + 1] - frames[a + j + 1]) * w;
    const area = (left + (right - left) * (place - j)) ** 2;
    if (i > 0) to[i - 1] = (before - area) / (before + area);
    before = area;
  }
  for (let c = 0; c < 5; c++) to[15 + c] = frames[a + 8 + c] + (frames[b + 8 + c] - frames[a + 8 + c]) * w;
}
