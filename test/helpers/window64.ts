// Windows as their definition has them, in float64: what the native kernels are compared with. Maps are
// [units][t][f][c]; convolution weights PyTorch's [cout][cin][kt][kf].

export type Values = Float32Array | Float64Array;

export interface MapShape {
  t: number;
  f: number;
  c: number;
}

export interface WindowShape {
  kt: number;
  kf: number;
  strideT: number;
  strideF: number;
  dilationT: number;
  dilationF: number;
  padT: number;
  padF: number;
}

const index = (s: MapShape, n: number, t: number, f: number, c: number) => ((n * s.t + t) * s.f + f) * s.c + c;

/** Calls visit(n, output frame, output band, tap row, tap column, input frame, input band) for each tap that meets an
 * input, frame by frame. */
function eachTap(
  w: WindowShape,
  units: number,
  x: MapShape,
  y: MapShape,
  visit: (n: number, t: number, f: number, kt: number, kf: number, xt: number, xf: number) => void,
): void {
  for (let n = 0; n < units; n++) {
    for (let t = 0; t < y.t; t++) {
      for (let f = 0; f < y.f; f++) {
        for (let kt = 0; kt < w.kt; kt++) {
          const xt = t * w.strideT - w.padT + kt * w.dilationT;
          if (xt < 0 || xt >= x.t) continue;
          for (let kf = 0; kf < w.kf; kf++) {
            const xf = f * w.strideF - w.padF + kf * w.dilationF;
            if (xf >= 0 && xf < x.f) visit(n, t, f, kt, kf, xt, xf);
          }
        }
      }
    }
  }
}

export interface ConvCase {
  window: WindowShape;
  units: number;
  x: MapShape;
  y: MapShape;
  depthwise: boolean;
}

/** Calls visit(output index, input index, weight index) for every product of the convolution. */
function eachProduct(c: ConvCase, visit: (y: number, x: number, w: number) => void): void {
  const { window, units, x, y } = c;
  const cin = c.depthwise ? 1 : x.c;
  eachTap(window, units, x, y, (n, t, f, kt, kf, xt, xf) => {
    const from = index(x, n, xt, xf, 0);
    const to = index(y, n, t, f, 0);
    for (let co = 0; co < y.c; co++) {
      for (let ci = 0; ci < cin; ci++) {
        const weight = ((co * cin + ci) * window.kt + kt) * window.kf + kf;
        visit(to + co, from + (c.depthwise ? co : ci), weight);
      }
    }
  });
}

export function conv64(c: ConvCase, x: Values, w: Values, bias: Values | undefined, relu: boolean): Float64Array {
  const out = Float64Array.from({ length: c.units * c.y.t * c.y.f * c.y.c }, (_, i) => bias?.[i % c.y.c] ?? 0);
  eachProduct(c, (y, i, k) => {
    out[y]! += x[i]! * w[k]!;
  });
  return relu ? out.map((v) => Math.max(v, 0)) : out;
}

/** Gradients of input, weights and bias. */
export function convGradients64(c: ConvCase, x: Values, w: Values, dy: Values) {
  const dx = new Float64Array(x.length);
  const dw = new Float64Array(w.length);
  const db = new Float64Array(c.y.c);
  eachProduct(c, (y, i, k) => {
    dx[i]! += dy[y]! * w[k]!;
    dw[k]! += dy[y]! * x[i]!;
  });
  dy.forEach((g, i) => {
    db[i % c.y.c]! += g;
  });
  return { dx, dw, db };
}

export interface PoolCase {
  kind: 'max' | 'mean' | 'std';
  window: WindowShape;
  units: number;
  x: MapShape;
  y: MapShape;
  epsilon: number;
}

/** The pooled values and the gradient of the input. */
export function pool64(p: PoolCase, x: Values, dy: Values): { y: Float64Array; dx: Float64Array } {
  const { window, units, epsilon } = p;
  const members = new Map<number, number[]>();
  eachTap(window, units, p.x, p.y, (n, t, f, _kt, _kf, xt, xf) => {
    for (let c = 0; c < p.y.c; c++) {
      const out = index(p.y, n, t, f, c);
      if (!members.has(out)) members.set(out, []);
      members.get(out)!.push(index(p.x, n, xt, xf, c));
    }
  });
  const y = new Float64Array(units * p.y.t * p.y.f * p.y.c);
  const dx = new Float64Array(x.length);
  for (const [out, inside] of members) {
    const values = inside.map((i) => x[i]!);
    const count = values.length;
    const mean = values.reduce((a, b) => a + b) / count;
    const g = dy[out]!;
    if (p.kind === 'max') {
      y[out] = Math.max(...values);
      dx[inside[values.indexOf(y[out]!)]!]! += g;
    } else if (p.kind === 'mean') {
      y[out] = mean;
      for (const i of inside) dx[i]! += g / count;
    } else {
      y[out] = Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / count + epsilon);
      for (const i of inside) dx[i]! += (g * (x[i]! - mean)) / (count * y[out]!);
    }
  }
  return { y, dx };
}

/** Nearest-neighbour upsampling of x by kt × kf. */
export function upsample64(units: number, x: MapShape, kt: number, kf: number, values: Values): Float64Array {
  const y = { t: x.t * kt, f: x.f * kf, c: x.c };
  const out = new Float64Array(units * y.t * y.f * y.c);
  for (let n = 0; n < units; n++)
    for (let t = 0; t < y.t; t++)
      for (let f = 0; f < y.f; f++)
        for (let c = 0; c < y.c; c++)
          out[index(y, n, t, f, c)] = values[index(x, n, Math.floor(t / kt), Math.floor(f / kf), c)]!;
  return out;
}

/** Its gradient. */
export function upsampleGradient64(units: number, x: MapShape, kt: number, kf: number, dy: Values): Float64Array {
  const y = { t: x.t * kt, f: x.f * kf, c: x.c };
  const dx = new Float64Array(units * x.t * x.f * x.c);
  for (let n = 0; n < units; n++)
    for (let t = 0; t < y.t; t++)
      for (let f = 0; f < y.f; f++)
        for (let c = 0; c < y.c; c++)
          dx[index(x, n, Math.floor(t / kt), Math.floor(f / kf), c)]! += dy[index(y, n, t, f, c)]!;
  return dx;
}
