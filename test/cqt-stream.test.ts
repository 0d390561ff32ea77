import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { featuresSync } from '../lib/features/compute.js';
import { cqtFrontEnd } from '../lib/features/cqt.js';
import { type CqtConfig, checkCqt, defaultCqt, filterLength } from '../lib/features/cqt-config.js';
import { capabilities } from '../lib/native/addon.js';
import { noise } from './helpers/cqt-signals.js';

const { available: isas } = capabilities();
const streamOf = (given: Partial<CqtConfig> = {}, isa?: string) => cqtFrontEnd.stream(checkCqt(given), isa);

describe('a constant-Q stream', () => {
  it('gives the bits of one call, whatever the chunks, and each frame after the latency', () => {
    const x = noise(12000, 0.5);
    const configs = [{}, { hop: 160, gamma: 0, bins: 100, lowestHz: 60 }, { hop: 5000 }, { hop: 33, bins: 10 }];
    fc.assert(
      fc.property(
        fc.constantFrom(...configs),
        fc.constantFrom(...isas),
        fc.array(fc.nat(1500), { maxLength: 60 }),
        (given, isa, cuts) => {
          const config = checkCqt(given);
          const stream = streamOf(given, isa);
          const latency = cqtFrontEnd.latency(config);
          const frames: number[] = [];
          let at = 0;
          for (const length of [...cuts, x.length]) {
            const end = Math.min(x.length, at + length);
            frames.push(...stream.push(x.subarray(at, end)));
            at = end;
            const complete = at <= latency ? 0 : Math.floor((at - 1 - latency) / config.hop) + 1;
            expect(frames.length).toBe(complete * config.bins);
          }
          frames.push(...stream.flush());
          expect(Float32Array.from(frames)).toEqual(featuresSync(x, { frontEnd: config, isa }));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('and one call give the same finite values in any configuration', () => {
    const x = noise(7000);
    const configs = fc.record({
      binsPerOctave: fc.integer({ min: 1, max: 60 }),
      lowestHz: fc.double({ min: 20, max: 3000, noNaN: true }),
      octaves: fc.double({ min: 0, max: 1, noNaN: true }),
      hop: fc.oneof(fc.integer({ min: 1, max: 700 }), fc.constantFrom(64, 96, 160, 256, 512, 1024, 8192)),
      gamma: fc.constantFrom(0, 3, 50),
      window: fc.constantFrom('hann', 'blackman'),
      filterScale: fc.double({ min: 0.5, max: 2, noNaN: true }),
    });
    fc.assert(
      fc.property(configs, fc.constantFrom(...isas), fc.integer({ min: 1, max: 3000 }), (c, isa, size) => {
        const { octaves, ...rest } = c;
        const most = Math.floor(c.binsPerOctave * Math.log2(7999 / c.lowestHz)) + 1;
        const given = { ...rest, bins: Math.max(1, Math.round(octaves * Math.min(most, 150))) } as Partial<CqtConfig>;
        const lengthOf = (bin: number) => filterLength({ ...defaultCqt, ...given }, bin);
        fc.pre(lengthOf(given.bins! - 1) >= 4 && lengthOf(0) <= 131_072); // others are refused
        const stream = streamOf(given, isa);
        const frames: Float32Array[] = [];
        for (let at = 0; at < x.length; at += size) frames.push(stream.push(x.subarray(at, at + size)));
        const parts = [...frames, stream.flush()];
        const whole = featuresSync(x, { frontEnd: checkCqt(given), isa });
        expect(Buffer.concat(parts.map((p) => Buffer.from(p.buffer)))).toEqual(Buffer.from(whole.buffer));
        expect(whole.every((v) => Number.isFinite(v) && v >= -100)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('takes recordings shorter than the latency, and none at all', () => {
    const stream = streamOf();
    expect(stream.flush().length).toBe(0);
    for (const length of [1, 255, 256, 700, 1236]) {
      const x = noise(length);
      const frames = [...stream.push(x), ...stream.flush()];
      expect(Float32Array.from(frames)).toEqual(featuresSync(x, { frontEnd: checkCqt() }));
    }
  });

  it('goes on for hours in the same memory', () => {
    const stream = streamOf();
    const chunk = noise(16000);
    const out = new Float32Array(64 * 252);
    let frames = 0;
    for (let i = 0; i < 300; i++) frames += stream.pushInto(chunk, out);
    const before = process.memoryUsage();
    for (let i = 0; i < 600; i++) frames += stream.pushInto(chunk, out);
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThanOrEqual(0);
    expect(after.rss - before.rss).toBeLessThan(8 << 20);
    expect(frames).toBe(Math.floor((900 * 16000 - 1 - cqtFrontEnd.latency(checkCqt())) / 256) + 1);
  });

  it('starts afresh after reset and after an error', () => {
    const stream = streamOf();
    const x = noise(3000);
    const whole = featuresSync(x, { frontEnd: checkCqt() });
    stream.push(noise(3777));
    stream.reset();
    expect(Float32Array.from([...stream.push(x), ...stream.flush()])).toEqual(whole);
    const bad = noise(500);
    bad[77] = Number.NaN;
    stream.push(noise(999));
    const error = { code: 'ERR_ARGUMENT', message: 'chunk[77] must be finite, got NaN.' };
    expect(() => stream.push(bad)).toThrow(expect.objectContaining(error));
    expect(() => stream.push(noise(3000).map((v) => v * 1e30))).toThrow(/overflows/);
    expect(Float32Array.from([...stream.push(x), ...stream.flush()])).toEqual(whole);
  });

  it('refuses wrong arguments', () => {
    const stream = streamOf();
    const refused = (message: RegExp) =>
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) });
    expect(() => stream.push([1] as unknown as Float32Array)).toThrow(refused(/^chunk must be a Float32Array/));
    expect(() => stream.pushInto(noise(4000), new Float32Array(10))).toThrow(refused(/^out must be .* at least 2772/));
    // Nothing was taken in by the refused call.
    expect(stream.framesLeft).toBe(0);
  });
});
