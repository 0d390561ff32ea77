// The native synthesiser against formulas and an independent double-precision one, on every instruction set.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { capabilities } from '../lib/native/addon.js';
import { controlsFrom } from '../lib/systems/articulation/forward-process.js';
import { fromNormalised } from '../lib/systems/articulation/parameters.js';
import { sectionAreas, tubeDenominator, tubeGain } from '../lib/systems/articulation/tube.js';
import { type TractControls, tractFrameParameters, VocalTract } from '../lib/systems/articulation/vocal-tract.js';
import { Random } from '../lib/util/random.js';
import { type Tract64, vocalTract64 } from './helpers/vocal-tract64.js';

const { available: isas } = capabilities();
const column = Object.fromEntries(tractFrameParameters.map((p, i) => [p.name, i]));

/** Frames anywhere in the range that training explores, rounded to float32; `set` overrides. */
function randomFrames(count: number, random: Random, set: Record<string, number> = {}): number[][] {
  return Array.from({ length: count }, () =>
    tractFrameParameters.map((p) => Math.fround(set[p.name] ?? fromNormalised(p, random.uniform(-1, 1)))),
  );
}

const controlsOf = (t: Tract64): TractControls => ({
  frames: Float32Array.from(t.frames.flat()),
  utterance: Float32Array.of(t.length ?? 17.5, t.glottal ?? 0.75, t.lip ?? -0.85, t.loss ?? 0.999),
  samples: t.samples,
  seed: t.seed,
  ...(t.excitation && { excitation: Float32Array.from(t.excitation) }),
});

/** Largest difference, relative to the largest value. */
function difference(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(found.length).toBe(wanted.length);
  let worst = 0;
  let peak = 0;
  for (let i = 0; i < wanted.length; i++) {
    const d = Math.abs(found[i]! - wanted[i]!);
    if (!(d <= worst)) worst = d; // NaN too
    peak = Math.max(peak, Math.abs(wanted[i]!));
  }
  expect(peak).toBeGreaterThan(0);
  return worst / peak;
}

const oral = { frication: 0, velum: 0 };
const kinds: [string, Record<string, number>][] = [
  ['voiced and oral', oral],
  ['with frication', { velum: 0 }],
  ['through the nose too', { frication: 0 }],
  ['with all there is', {}],
  ['whispered', { ...oral, voicing: 0, aspiration: 0.3 }],
];

describe.each(isas)('the vocal tract on %s', (isa) => {
  // In single precision the source decides: the flow changes little from step to step, so its slope keeps 16 bits, and a
  // tilt of 0.9 sums ten such errors. The tube alone is ten times better, as the impulse responses below show.
  const rounding = isa === 'float64' ? 1e-6 : 3e-4;

  it.each(kinds)('agrees with double precision: %s', (_, set) => {
    const random = new Random(`${isa} ${JSON.stringify(set)}`);
    const tracts: Tract64[] = [160, 48].map((hop, i) => ({
      frames: randomFrames(5, random, set),
      hop,
      samples: 700,
      seed: 3 + i,
      loss: 0.99,
      block: 16,
    }));
    for (const tract of tracts) {
      const [found] = new VocalTract({ isa, hop: tract.hop }).synthesizeSync([controlsOf(tract)]);
      expect(difference(found!, vocalTract64(tract))).toBeLessThan(rounding);
    }
  });

  it.each([
    ['50 ms', 800, 1e-3],
    ['10 ms', 160, 0.02],
  ])('is near the tract whose every step is exact, with all changing every %s', (_, hop, most) => {
    const random = new Random(5);
    const tract = new VocalTract({ isa, hop });
    for (let n = 0; n < 6; n++) {
      const exact = { frames: randomFrames(1 + 1600 / hop, random, oral), hop, samples: 1600, seed: 1 };
      const [found] = tract.synthesizeSync([controlsOf(exact)]);
      expect(difference(found!, vocalTract64(exact))).toBeLessThan(most);
    }
  });

  it.each([8, 11.3, 14, 17.4, 18.6, 20])('has a length of %f cm', (length) => {
    const tract = { frames: randomFrames(4, new Random(length)), hop: 160, samples: 600, seed: 2, length, block: 16 };
    tract.length = Math.fround(length);
    const [found] = new VocalTract({ isa }).synthesizeSync([controlsOf(tract)]);
    // The filter between the rates is interpolated between 32 phases: 70 dB.
    expect(difference(found!, vocalTract64(tract))).toBeLessThan(5e-4);
  });

  it.each([
    ['lossless', { glottal: 1, lip: Math.fround(-0.85), loss: 1 }],
    ['default', {}],
    ['lossy', { loss: Math.fround(0.98) }],
  ] as [string, Partial<Tract64>][])(
    'has the impulse response of the all-pole filter with its reflection coefficients: %s',
    (_, ends) => {
      const random = new Random(11);
      const tube = { glottalReflection: ends.glottal, lipReflection: ends.lip, wallLoss: ends.loss };
      for (let shape = 0; shape < 20; shape++) {
        const frames = randomFrames(1, random, { ...oral, voicing: 0, aspiration: 0 });
        const tract = { frames, hop: 160, samples: 400, seed: 1, ...ends, excitation: [1] };
        const [found] = new VocalTract({ isa }).synthesizeSync([controlsOf(tract)]);
        const areas = sectionAreas(frames[0]!.slice(0, 8));
        const d = tubeDenominator(areas, tube);
        const wanted = new Float64Array(400);
        wanted[8] = tubeGain(areas, tube);
        for (let n = 9; n < 400; n++) for (let k = 1; k <= 16 && k <= n; k++) wanted[n]! -= d[k]! * wanted[n - k]!;
        expect(difference(found!, wanted)).toBeLessThan(isa === 'float64' ? 1e-6 : 2e-5);
      }
    },
  );

  it.each([17.5, 8, 12, 20])('of uniform radius resonates at odd multiples of c / 4L, L = %f cm', (length) => {
    const tract = new VocalTract({ isa });
    const still = { voicing: 0, aspiration: 0, length };
    const excitation = Float32Array.of(1);
    const [y] = tract.synthesizeSync([{ ...controlsFrom(tract, still, { samples: 4000 }), excitation }]);
    const power = (hz: number) => {
      let re = 0;
      let im = 0;
      for (const [n, x] of y!.entries()) {
        re += x * Math.cos((2 * Math.PI * hz * n) / 16000);
        im += x * Math.sin((2 * Math.PI * hz * n) / 16000);
      }
      return re * re + im * im;
    };
    const spectrum = Array.from({ length: 1500 }, (_, i) => power(4 * i));
    const peaks = spectrum.flatMap((p, i) => (p > spectrum[i - 1]! && p > spectrum[i + 1]! ? [4 * i] : []));
    for (const [i, odd] of [1, 3, 5].entries()) {
      const wanted = (odd * 35000) / (4 * length);
      expect(Math.abs(peaks[i]! / wanted - 1), `${peaks[i]} Hz for ${wanted}`).toBeLessThan(0.03);
    }
  });

  it('gives an utterance the same bits alone, in any batch and on any number of threads', async () => {
    const random = new Random(2);
    const tract = new VocalTract({ isa });
    const sets: Record<string, number>[] = [oral, {}, { velum: 0 }, { frication: 0 }];
    const batch = Array.from({ length: 41 }, (_, i) =>
      controlsOf({
        frames: randomFrames(1 + random.int(6), random, sets[i % 4]),
        hop: 160,
        samples: random.int(1200),
        seed: i,
        length: i % 3 ? random.uniform(8, 20) : 17.5,
      }),
    );
    const together = tract.synthesizeSync(batch);
    expect(await tract.synthesize(batch)).toEqual(together);
    expect(await tract.synthesize(batch, { threads: 3 })).toEqual(together);
    for (const i of [0, 1, 7, 22, 40]) expect(tract.synthesizeSync([batch[i]!])).toEqual([together[i]]);
    expect(together.every((y, i) => y.length === batch[i]!.samples)).toBe(true);
  });

  it('stays bounded whatever its parameters do', () => {
    const random = new Random(8);
    const wild = Array.from({ length: 16 }, (_, i) =>
      controlsOf({
        frames: Array.from({ length: 40 }, () =>
          tractFrameParameters.map((p) => Math.fround(random.int(2) ? p.min : p.max)),
        ),
        hop: 20,
        samples: 800,
        seed: i,
        glottal: 1,
        lip: i % 2 ? -1 : 0,
        loss: 1,
        length: 8 + (12 * i) / 15,
      }),
    );
    for (const y of new VocalTract({ isa, hop: 20 }).synthesizeSync(wild)) {
      expect(y.every((x) => Math.abs(x) < 1e6)).toBe(true);
    }
  });
});

describe('golden vectors', () => {
  const golden = JSON.parse(readFileSync(new URL('golden/vocal-tract.json', import.meta.url), 'utf8'));
  it.each(isas)('of the double-precision synthesiser are met on %s', (isa) => {
    expect(golden.tracts.length).toBeGreaterThan(3);
    for (const { samples: wanted, ...tract } of golden.tracts) {
      const exact = vocalTract64({ ...tract, samples: wanted.length });
      expect(difference(exact, wanted)).toBeLessThan(1e-9);
      const [found] = new VocalTract({ isa, hop: tract.hop }).synthesizeSync([
        controlsOf({ ...tract, samples: wanted.length }),
      ]);
      expect(difference(found!, wanted)).toBeLessThan(5e-4);
    }
  });
});

describe('the voice', () => {
  const tract = new VocalTract();

  it.each([90, 137.3, 260])('at %f Hz is periodic', (f0) => {
    const [y] = tract.synthesizeSync([controlsFrom(tract, { f0, aspiration: 0 }, { samples: 16000 })]);
    const power = (hz: number) => {
      let re = 0;
      let im = 0;
      for (let n = 4000; n < 16000; n++) {
        const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * (n - 4000)) / 12000);
        re += window * y![n]! * Math.cos((2 * Math.PI * hz * n) / 16000);
        im += window * y![n]! * Math.sin((2 * Math.PI * hz * n) / 16000);
      }
      return re * re + im * im;
    };
    for (const harmonic of [1, 2, 3, 4]) {
      // Between harmonics there is nothing but what folds back from above 8 kHz.
      const between = power((harmonic + 0.5) * f0);
      expect(10 * Math.log10(power(harmonic * f0) / between), `harmonic ${harmonic}`).toBeGreaterThan(25);
    }
  });

  it('moves smoothly: the pitch of a glide is right in the middle', () => {
    const [y] = tract.synthesizeSync([controlsFrom(tract, { f0: [100, 200], aspiration: 0 }, { samples: 160 })]);
    const wanted = vocalTract64({
      frames: [100, 200].map((f0) =>
        tractFrameParameters.map((p) => (p.name === 'f0' ? f0 : p.name === 'aspiration' ? 0 : Math.fround(p.default))),
      ),
      hop: 160,
      samples: 160,
      seed: 1,
    });
    expect(difference(y!, wanted)).toBeLessThan(1e-4);
  });

  it('is decided by its seed', () => {
    const breath = (seed: number) =>
      tract.synthesizeSync([controlsFrom(tract, { voicing: 0 }, { samples: 500, seed })]);
    expect(breath(1)).toEqual(breath(1));
    expect(breath(1)).not.toEqual(breath(2));
    expect(breath(2 ** 32 - 1)[0]!.every(Number.isFinite)).toBe(true);
  });

  it('is silent without any source', () => {
    const silent = controlsFrom(tract, { voicing: 0, aspiration: 0 }, { samples: 300 });
    expect(new Set(tract.synthesizeSync([silent])[0])).toEqual(new Set([0]));
  });

  it('lasts as long as its frames, or as asked, and holds the last frame', () => {
    expect(tract.synthesizeSync([controlsFrom(tract, { f0: [100, 110, 120] })])[0]).toHaveLength(480);
    const [long] = tract.synthesizeSync([controlsFrom(tract, { f0: [100, 110] }, { samples: 2000 })]);
    const [held] = tract.synthesizeSync([controlsFrom(tract, { f0: [100, 110, 110, 110] }, { samples: 2000 })]);
    expect(long).toEqual(held);
    expect(tract.synthesizeSync([controlsFrom(tract, {}, { samples: 0 })])).toEqual([new Float32Array(0)]);
    expect(tract.synthesizeSync([])).toEqual([]);
  });

  it('needs only the columns that were chosen', () => {
    const some = new VocalTract({ frameParameters: ['velum', 'f0'], utteranceParameters: ['length'] });
    const values = { f0: [100, 130], velum: 0.4, length: 15 };
    expect(some.synthesizeSync([controlsFrom(some, values)])).toEqual(
      tract.synthesizeSync([controlsFrom(tract, values)]),
    );
    expect(controlsFrom(some, values).frames).toEqual(Float32Array.of(0.4, 100, 0.4, 130));
  });
});

describe('wrong arguments', () => {
  const tract = new VocalTract();
  const good = controlsFrom(tract, {});
  const bent = (name: string, value: number) => {
    const frames = Float32Array.from([...good.frames, ...good.frames]);
    frames[16 + column[name]!] = value;
    return { ...good, frames };
  };
  // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
  const any = (x: unknown) => x as any;
  it.each<[string, () => unknown, RegExp]>([
    [
      'a value out of range',
      () => tract.synthesizeSync([bent('f0', 5)]),
      /^f0 in frame 1 must be a number from 10 to 2000 Hz, got 5/,
    ],
    [
      'NaN',
      () => tract.synthesizeSync([good, bent('radius3', Number.NaN)]),
      /^radius3 in batch\[1\]\.frame 1 must be .* cm, got NaN/,
    ],
    [
      'half a frame',
      () => tract.synthesizeSync([{ ...good, frames: new Float32Array(17) }]),
      /^frames must be .* frames of 16 values, got "17 values"/,
    ],
    ['no frame', () => tract.synthesizeSync([{ ...good, frames: new Float32Array(0) }]), /^frames must be/],
    [
      'an utterance too short',
      () => tract.synthesizeSync([{ ...good, utterance: new Float32Array(2) }]),
      /length, glottalReflection/,
    ],
    [
      'a tract too long',
      () => tract.synthesizeSync([{ ...good, utterance: Float32Array.of(40, 0.75, -0.85, 0.999) }]),
      /^length in utterance must be a number from 8 to 20 cm, got 40/,
    ],
    ['a seed too large', () => tract.synthesizeSync([{ ...good, seed: 2 ** 32 }]), /^seed must be/],
    ['samples that are no number', () => tract.synthesizeSync([{ ...good, samples: 1.5 }]), /^samples must be/],
    [
      'an excitation that overflows',
      () => tract.synthesizeSync([{ ...good, excitation: Float32Array.of(0, 1e9) }]),
      /^batch\[0\]\.excitation\[1\]/,
    ],
    ['no array', () => tract.synthesizeSync(any(good)), /^batch must be an array/],
    ['an unknown name', () => controlsFrom(tract, { tongue: 1 }), /^parameter must be one of radius1, .* got "tongue"/],
    ['numbers for what stays', () => controlsFrom(tract, { length: [15, 16] }), /^length must be one number/],
    [
      'a named value out of range',
      () => controlsFrom(tract, { velum: [0, 9] }),
      /^velum\[1\] must be a number from 0 to 1.5 cm, got 9/,
    ],
    ['a hop of nothing', () => new VocalTract({ hop: 0 }), /^hop must be/],
    [
      'a parameter that does not exist',
      () => new VocalTract({ frameParameters: ['nose'] }),
      /^frameParameters must be made of/,
    ],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) }));
  });

  it('an instruction set that is not here', () => {
    expect(() => new VocalTract({ isa: 'mmx' })).toThrow(expect.objectContaining({ code: 'ERR_ISA' }));
  });
});

it('synthesis stops when its signal aborts, and leaves the event loop free', async () => {
  const tract = new VocalTract();
  const reason = new Error('enough');
  const hour = controlsFrom(tract, {}, { samples: 16000 * 3600 });
  await expect(tract.synthesize([hour], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  const started = performance.now();
  const long = tract.synthesize([hour, hour, hour], { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 1);
  await expect(long).rejects.toBe(reason);
  expect(performance.now() - started).toBeLessThan(2000);
});
