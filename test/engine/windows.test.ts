// Convolutions, pools and upsampling of any window against their definition in float64, on every instruction set.
// Geometry is drawn: odd sizes, one frame or band, kernels larger than the map, strides, dilations up to 16, 1 to 130
// channels, strips, several units and threads.
import { describe, expect, it } from 'vitest';
import { capabilities } from '../../lib/native/addon.js';
import { convKinds, type PlanConv } from '../../lib/native/plan.js';
import { Random } from '../../lib/util/random.js';
import { runSteps, type StepTensor } from '../helpers/one-step.js';
import {
  type ConvCase,
  conv64,
  convGradients64,
  type MapShape,
  type PoolCase,
  pool64,
  upsample64,
  upsampleGradient64,
  type Values,
  type WindowShape,
} from '../helpers/window64.js';

const isas = capabilities().available;
const casesOfEach = Number(process.env.AUDIO2VEC_WINDOW_CASES ?? 40);

const sizeOf = (units: number, m: MapShape) => units * m.t * m.f * m.c;

/** Largest difference over the largest value; tensors cross the addon as float32, gradients of parameters as float64. */
function expectClose(what: string, isa: string, got: Values, want: Values, exact = false): void {
  expect(got.length).toBe(want.length);
  let most = 0;
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    most = Math.max(most, Math.abs(want[i]!));
    const d = Math.abs(got[i]! - want[i]!);
    worst = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(worst, d);
  }
  const limit = isa !== 'float64' ? 1e-4 : exact ? 1e-10 : 2e-7;
  if (worst > limit * most) expect.fail(`${what} on ${isa}: off by ${worst} of ${most}`);
}

function floats(random: Random, count: number, levels = 0): Float32Array {
  return Float32Array.from({ length: count }, () =>
    levels ? (random.int(levels) - levels / 2) / levels : random.uniform(-1, 1),
  );
}

const pick = <T>(random: Random, ...from: T[]): T => from[random.int(from.length)]!;

/** A kernel of `taps` along an axis of `size` inputs: [stride, dilation, zeros before, outputs]. */
function axis(random: Random, size: number, taps: number, dilated: boolean) {
  const stride = pick(random, 1, 1, 1, 2, 3);
  const dilation = dilated ? pick(random, 1, 1, 1, 2, 3, 16) : 1;
  const reach = (taps - 1) * dilation;
  const pad = pick(random, 0, Math.floor(reach / 2), reach, random.int(reach + 1));
  const after = pick(random, 0, Math.floor(reach / 2), random.int(reach + 2));
  const outputs = Math.max(1, Math.floor((pad + size + after - reach - 1) / stride) + 1);
  return { stride, dilation, pad, outputs };
}

/** A map and a window over it; kernels of 1 to `largest` a side. */
function geometry(random: Random, largest: number, dilated: boolean) {
  const t = pick(random, 1, 1, 2, 3, 1 + random.int(9));
  const f = pick(random, 1, 2, 16, 1 + random.int(40));
  const kt = pick(random, 1, 1, 2, 3, 1 + random.int(largest));
  const kf = pick(random, 1, 3, 5, 1 + random.int(largest));
  const rows = axis(random, t, kt, dilated);
  const bands = axis(random, f, kf, dilated);
  const window: WindowShape = {
    kt,
    kf,
    strideT: rows.stride,
    strideF: bands.stride,
    dilationT: rows.dilation,
    dilationF: bands.dilation,
    padT: rows.pad,
    padF: bands.pad,
  };
  return { t, f, window, yT: rows.outputs, yF: bands.outputs };
}

function channels(random: Random): number {
  return pick(random, 1, 1, 2, 3, 8, 16, 17, 32, 33, 40, 48, 64, 1 + random.int(130));
}

const strips = (random: Random, rows: number) => Math.min(rows, pick(random, 1, 1, 2, 3));

/** What a result holds before a step: what is added to, or what must not be seen. */
const heldBefore = (random: Random, accumulate: boolean, count: number) =>
  accumulate ? floats(random, count) : new Float32Array(count).fill(7.5);
const plus = (a: Values, b: Values, really: boolean) => Float64Array.from(a, (v, i) => v + (really ? b[i]! : 0));

describe('window convolution', () => {
  for (const depthwise of [false, true]) {
    for (let seed = 0; seed < casesOfEach; seed++) {
      const random = new Random(`${depthwise ? 'depthwise' : 'conv'} ${seed}`);
      const { t, f, window, yT, yF } = geometry(random, 15, true);
      const cin = channels(random);
      const cout = depthwise ? cin : channels(random);
      const units = pick(random, 1, 2, 5);
      const c: ConvCase = { window, units, x: { t, f, c: cin }, y: { t: yT, f: yF, c: cout }, depthwise };
      const accumulate = random.int(2) === 1;
      const relu = random.int(2) === 1;
      const hasBias = random.int(3) > 0;
      const backward = random.int(4) > 0; // else x may be folded
      const threads = pick(random, 1, 2, 3);
      const [yStrips, xStrips] = [strips(random, yT), strips(random, t)];

      it(`${depthwise ? 'depthwise ' : ''}${seed}: ${t}×${f}×${cin} → ${yT}×${yF}×${cout} ${JSON.stringify(window)}`, () => {
        const x = floats(random, sizeOf(units, c.x));
        const dy = floats(random, sizeOf(units, c.y));
        const old = heldBefore(random, accumulate, x.length);
        const size = cout * (depthwise ? 1 : cin) * window.kt * window.kf;
        const weights = floats(random, size);
        const bias = hasBias ? floats(random, cout) : undefined;
        const want = conv64(c, x, weights, bias, relu);
        const { dx, dw, db } = convGradients64(c, x, weights, dy);
        const conv: PlanConv = {
          kind: convKinds.indexOf(depthwise ? 'depthwise' : 'window'),
          ...window,
          upsampled: 0,
          cin,
          cout,
          fIn: f,
          fOut: yF,
          folded: false,
          planar: false,
          weight: 0,
          bias: bias ? size : -1,
          backward,
          foldedNorm: -1,
          winograd: 0,
          winogradWeights: false,
        };
        const tensors: StepTensor[] = [
          { ...c.x, folded: !backward, values: x },
          { ...c.y, values: heldBefore(random, false, want.length) },
          { ...c.y, values: dy },
          { ...c.x, values: old },
        ];
        const name = depthwise ? 'depthwise_conv' : 'window_conv';
        const steps = [
          { kind: name, x: 0, y: 1, conv: 0, relu, strips: yStrips },
          ...(backward ? [{ kind: `${name}_data`, x: 2, y: 3, conv: 0, accumulate, strips: xStrips }] : []),
          { kind: `${name}_weights`, x: 0, b: 2, conv: 0, strips: yStrips },
          ...(bias ? [{ kind: 'bias_gradient', x: 2, conv: 0, strips: yStrips }] : []),
        ];
        const parameters = Float64Array.from([...weights, ...(bias ?? [])]);
        for (const isa of isas) {
          const plan = { isa, units, threads, tensors, convs: [conv], phases: [{ steps }], parameters };
          const { values, gradients } = runSteps(plan, backward ? [1, 3] : [1]);
          expectClose('forward', isa, values[0]!, want);
          if (backward) expectClose('data gradient', isa, values[1]!, plus(dx, old, accumulate));
          expectClose('weight gradient', isa, gradients.subarray(0, size), dw, true);
          if (bias) expectClose('bias gradient', isa, gradients.subarray(size), db, true);
        }
      });
    }
  }

  it('with a folded batch norm and ReLU', () => {
    for (const depthwise of [false, true]) {
      for (const [cin, cout] of depthwise
        ? [
            [5, 5],
            [40, 40],
          ]
        : [
            [3, 5],
            [1, 40],
            [33, 20],
          ]) {
        const random = new Random(`norm ${cin} ${cout}`);
        const window = { kt: 3, kf: 5, strideT: 1, strideF: 2, dilationT: 2, dilationF: 1, padT: 2, padF: 2 };
        const c: ConvCase = {
          window,
          units: 2,
          x: { t: 5, f: 9, c: cin! },
          y: { t: 5, f: 5, c: cout! },
          depthwise,
        };
        const x = floats(random, sizeOf(2, c.x));
        const per = (depthwise ? 1 : cin!) * 15;
        const weights = floats(random, cout! * per);
        const [gamma, beta, mean] = [floats(random, cout!), floats(random, cout!), floats(random, cout!)];
        const variance = floats(random, cout!).map((v) => 1 + v / 2);
        const scale = Float64Array.from(gamma, (g, i) => g / Math.sqrt(variance[i]! + 1e-5));
        const shift = Float64Array.from(beta, (b, i) => b - mean[i]! * scale[i]!);
        const scaled = Float64Array.from(weights, (w, i) => w * scale[Math.floor(i / per)]!);
        const want = conv64(c, x, scaled, shift, true);
        const at = weights.length;
        for (const isa of isas) {
          const { values } = runSteps(
            {
              isa,
              units: 2,
              training: false,
              tensors: [
                { ...c.x, values: x },
                { ...c.y, values: new Float32Array(want.length).fill(7.5) },
              ],
              convs: [
                {
                  kind: convKinds.indexOf(depthwise ? 'depthwise' : 'window'),
                  ...window,
                  upsampled: 0,
                  cin: cin!,
                  cout: cout!,
                  fIn: 9,
                  fOut: 5,
                  folded: false,
                  planar: false,
                  weight: 0,
                  bias: -1,
                  backward: false,
                  foldedNorm: 0,
                  winograd: 0,
                  winogradWeights: false,
                },
              ],
              norms: [
                {
                  c: cout!,
                  f: 5,
                  planar: false,
                  folded: false,
                  relu: true,
                  single: -1,
                  running: false,
                  tapGradients: false,
                  weight: at,
                  bias: at + cout!,
                  mean: at + 2 * cout!,
                  var: at + 3 * cout!,
                  count: 25,
                  copies: 1,
                },
              ],
              phases: [
                { steps: [{ kind: depthwise ? 'depthwise_conv' : 'window_conv', x: 0, y: 1, conv: 0, relu: true }] },
              ],
              parameters: Float64Array.from([...weights, ...gamma, ...beta, ...mean, ...variance]),
            },
            [1],
          );
          expectClose(`${cin} → ${cout}`, isa, values[0]!, want);
        }
      }
    }
  });
});

describe('window pooling', () => {
  for (const kind of ['max', 'mean', 'std'] as const) {
    for (let seed = 0; seed < casesOfEach; seed++) {
      const random = new Random(`pool ${kind} ${seed}`);
      const global = random.int(4) === 0;
      const drawn = geometry(random, 6, false);
      const { t, f } = drawn;
      // No window lies wholly in the padding.
      const within = (taps: number, pad: number) => Math.min(pad, taps - 1);
      const outputs = (size: number, taps: number, stride: number, pad: number, most: number) =>
        Math.max(
          1,
          Math.min(most, Math.floor((size - 1 + pad) / stride) + 1, Math.floor((size + pad + taps) / stride)),
        );
      const window: WindowShape = global
        ? { kt: t, kf: f, strideT: 1, strideF: 1, dilationT: 1, dilationF: 1, padT: 0, padF: 0 }
        : {
            ...drawn.window,
            padT: within(drawn.window.kt, drawn.window.padT),
            padF: within(drawn.window.kf, drawn.window.padF),
          };
      const c = channels(random);
      const vector = global && random.int(2) === 1;
      const p: PoolCase = {
        kind,
        window,
        units: pick(random, 1, 2, 5),
        x: { t, f, c },
        y: {
          t: global ? 1 : outputs(t, window.kt, window.strideT, window.padT, drawn.yT),
          f: global ? 1 : outputs(f, window.kf, window.strideF, window.padF, drawn.yF),
          c,
        },
        epsilon: 1e-3,
      };
      const folded = random.int(3) === 0;
      const accumulate = random.int(2) === 1;
      const threads = pick(random, 1, 2);
      const [yStrips, xStrips] = [strips(random, p.y.t), strips(random, t)];
      it(`${kind} ${seed}: ${t}×${f}×${c} → ${p.y.t}×${p.y.f} ${JSON.stringify(window)}`, () => {
        const x = floats(random, sizeOf(p.units, p.x), kind === 'max' ? 4 : 0); // few levels: maxima meet
        const dy = floats(random, sizeOf(p.units, p.y));
        const old = heldBefore(random, accumulate, x.length);
        const want = pool64(p, x, dy);
        const { dilationT: _t, dilationF: _f, ...fields } = window;
        const step = { ...fields, number: p.epsilon };
        for (const isa of isas) {
          const { values } = runSteps(
            {
              isa,
              units: p.units,
              threads,
              tensors: [
                { ...p.x, folded, values: x },
                { ...p.y, folded, vector, values: heldBefore(random, false, want.y.length) },
                { ...p.y, folded, vector, values: dy },
                { ...p.x, folded, values: old },
              ],
              phases: [
                {
                  steps: [
                    { kind: `window_${kind}`, ...step, x: 0, y: 1, strips: yStrips },
                    { kind: `window_${kind}_backward`, ...step, x: 0, b: 2, y: 3, accumulate, strips: xStrips },
                  ],
                },
              ],
            },
            [1, 3],
          );
          expectClose('forward', isa, values[0]!, want.y);
          expectClose('gradient', isa, values[1]!, plus(want.dx, old, accumulate));
        }
      });
    }
  }
});

it('window upsampling', () => {
  for (let seed = 0; seed < casesOfEach; seed++) {
    const random = new Random(`upsample ${seed}`);
    const [kt, kf, units] = [1 + random.int(4), 1 + random.int(4), pick(random, 1, 3)];
    const x = { t: 1 + random.int(5), f: pick(random, 1, 8, 16, 1 + random.int(20)), c: channels(random) };
    const y = { t: x.t * kt, f: x.f * kf, c: x.c };
    const folded = random.int(2) === 1;
    const accumulate = random.int(2) === 1;
    const values = floats(random, sizeOf(units, x));
    const dy = floats(random, sizeOf(units, y));
    const old = heldBefore(random, accumulate, values.length);
    for (const isa of isas) {
      const run = runSteps(
        {
          isa,
          units,
          tensors: [
            { ...x, folded, values },
            { ...y, folded, values: heldBefore(random, false, dy.length) },
            { ...y, folded, values: dy },
            { ...x, folded, values: old },
          ],
          phases: [
            {
              steps: [
                { kind: 'window_upsample', x: 0, y: 1, kt, kf, strips: strips(random, y.t) },
                { kind: 'window_upsample_backward', x: 2, y: 3, kt, kf, accumulate, strips: strips(random, x.t) },
              ],
            },
          ],
        },
        [1, 3],
      );
      expectClose('forward', isa, run.values[0]!, upsample64(units, x, kt, kf, values));
      expectClose('gradient', isa, run.values[1]!, plus(upsampleGradient64(units, x, kt, kf, dy), old, accumulate));
    }
  }
});
