// The articulation system: rounds of listening, synthesis and training; the inversion of recordings and streams.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Arrays, Network } from '../lib/engine/network.js';
import { features } from '../lib/features/compute.js';
import type { FeatureStore } from '../lib/features/feature-store.js';
import { initialParameters } from '../lib/graph/initial-parameters.js';
import { articulationFrontEnd, WINDOW } from '../lib/systems/articulation/articulation-config.js';
import type { Controls, ForwardProcess } from '../lib/systems/articulation/forward-process.js';
import { Inverse, windowsOf } from '../lib/systems/articulation/inverse.js';
import { ArticulatoryInversion } from '../lib/systems/articulation/inversion.js';
import { deployedGraph, inferenceGraph, nodes } from '../lib/systems/articulation/inversion-graph.js';
import { type InversionModel, saveInversionModel } from '../lib/systems/articulation/inversion-model.js';
import { bringToLevel, loudness, shiftLevel } from '../lib/systems/articulation/level.js';
import { invertedProcesses } from '../lib/systems/articulation/processes.js';
import { ReplayPool } from '../lib/systems/articulation/replay-pool.js';
import { search } from '../lib/systems/articulation/search.js';
import { spectralSnr } from '../lib/systems/articulation/similarity.js';
import { HeardProcess, MARGIN } from '../lib/systems/articulation/sounds.js';
import { articulation, articulationOf } from '../lib/systems/articulation/system.js';
import { disturb, drawUtterance, wander } from '../lib/systems/articulation/trajectories.js';
import type { Training } from '../lib/systems/system.js';
import { Random } from '../lib/util/random.js';

const frontEnd = articulationFrontEnd;
const bands = frontEnd.bands;
const tract = invertedProcesses['vocal-tract']!({ hop: frontEnd.hop });
const heard = new HeardProcess(tract, frontEnd);
const parameters = tract.frameParameters.length;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-articulation-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Some speech-like utterances as samples. */
async function speech(count: number, rows: number, seed: number): Promise<Float32Array[]> {
  const random = new Random(seed);
  const drawn = Array.from({ length: count }, () => drawUtterance(tract, random, rows));
  return tract.synthesize(drawn.map((u, i) => heard.controls(u, i)));
}

async function storeOf(clips: readonly Float32Array[]): Promise<FeatureStore> {
  const spectra = await Promise.all(clips.map((samples) => features(samples, { frontEnd })));
  const clipStarts = new Float64Array(clips.length + 1);
  spectra.forEach((s, i) => {
    clipStarts[i + 1] = clipStarts[i]! + s.length / bands;
  });
  const { store } = windowsOf(spectra, bands);
  const all = store.native as Float32Array;
  return {
    ...{ frames: store.frames, bands, frontEnd, clipStarts, clipNames: clips.map((_, i) => `${i}.wav`) },
    ...{ mean: new Float32Array(bands), std: new Float32Array(bands).fill(1), native: all },
    read: (start, n) => all.slice(start * bands, (start + n) * bands),
  };
}

/** A model with parameters as drawn, or after some steps of `train`. */
function untrained(): InversionModel {
  const shape = { frames: WINDOW, bands, channels: 16, frameParameters: parameters, utteranceParameters: 1 };
  return {
    ...{ shape, frontEnd, process: 'vocal-tract', level: 8, provenance: {} },
    frameParameters: tract.frameParameters.map((p) => p.name),
    utteranceParameters: ['length'],
    mean: new Float32Array(bands).fill(1),
    std: new Float32Array(bands).fill(3),
    weights: initialParameters(inferenceGraph(shape), 1),
  };
}

describe('parts', () => {
  it('frame t of a sound is made by frame MARGIN + t of its utterance', async () => {
    const rows = 2 * MARGIN + 40;
    const frames = new Float32Array(rows * parameters);
    const voicing = tract.frameParameters.findIndex((p) => p.name === 'voicing');
    // Silent but for frames 20 to 29 of what is heard.
    for (let i = 0; i < rows; i++) {
      tract.frameParameters.forEach((p, c) => {
        frames[i * parameters + c] = ['voicing', 'aspiration', 'frication'].includes(p.name) ? -1 : 0;
      });
      if (i - MARGIN >= 20 && i - MARGIN < 30) frames[i * parameters + voicing] = 1;
    }
    const [sound] = await heard.hear([{ frames, utterance: new Float32Array(1) }], [1]);
    const power = Array.from({ length: 40 }, (_, t) => {
      return sound!.subarray(t * bands, (t + 1) * bands).reduce((sum, x) => sum + Math.exp(x), 0);
    });
    const total = power.reduce((a, b) => a + b, 0);
    const centre = power.reduce((sum, p, t) => sum + p * t, 0) / total;
    expect(Math.abs(centre - 24.5)).toBeLessThan(1.5);
  });

  it('a shift in level is what louder samples give', async () => {
    const [samples] = await speech(1, 60, 3);
    const quiet = await features(samples!, { frontEnd });
    const loud = await features(
      samples!.map((x) => 3 * x),
      { frontEnd },
    );
    const shifted = shiftLevel(quiet.slice(), 2 * Math.log(3), frontEnd);
    expect(Math.max(...shifted.map((x, i) => Math.abs(x - loud[i]!)))).toBeLessThan(0.02);
    expect(loudness(loud, bands, frontEnd) - loudness(quiet, bands, frontEnd)).toBeCloseTo(2 * Math.log(3), 2);
  });

  it('trajectories stay between their targets and move smoothly; noise is cut to ±1', () => {
    const random = new Random(5);
    const column = wander(random, 500, () => random.uniform(-1, 1), 4, 20);
    for (let i = 1; i < 500; i++) expect(Math.abs(column[i]! - column[i - 1]!)).toBeLessThan(0.8);
    const drawn = drawUtterance(tract, random, 50);
    const near = disturb(drawn, parameters, random, 2);
    expect(near.frames).not.toEqual(drawn.frames);
    expect([...near.frames, ...near.utterance].every((x) => x >= -1 && x <= 1)).toBe(true);
  });

  it('the pool drops the part it is told to, and comes back from its state', () => {
    const pool = new ReplayPool(3, 1);
    pool.items = Array.from({ length: 30 }, (_, i) => ({
      frames: Float32Array.of(i, i, i),
      utterance: Float32Array.of(-i),
      seed: 2 ** 32 - 1 - i,
    }));
    const places = pool.drop(1 / 3, new Random(1));
    expect(places).toHaveLength(20);
    expect(pool.items.map((item) => item.frames[0])).toEqual(places);
    const other = new ReplayPool(3, 1);
    other.setState(pool.getState());
    expect(other.items).toEqual(pool.items);
    expect(() => new ReplayPool(4, 1).setState(pool.getState())).toThrow(/another forward process/);
  });

  it('spectral SNR is 10 log10 of signal over difference', () => {
    const s = Float32Array.of(-4, 6, -20);
    expect(spectralSnr(s, Float32Array.of(-5, 6, -30))).toBeCloseTo(10 * Math.log10((10 ** 2 + 20 ** 2) / 1), 6);
  });

  it('a phone hears what the library hears when both are told the same of the utterance', async () => {
    const { shape, weights, mean, std } = untrained();
    const sounds = await heard.hear([drawUtterance(tract, new Random(2), WINDOW + 2 * MARGIN)], [1]);
    const windows = windowsOf(sounds, bands);
    const batch = { examples: 1, inputs: { [nodes.features]: { frames: windows.starts, store: windows.store } } };
    using phone = new Network(deployedGraph(shape), { maxExamples: 1, threads: 1, mean, std });
    using library = new Network(inferenceGraph(shape), { maxExamples: 1, threads: 1, mean, std });
    for (const network of [phone, library]) network.setParameters(new Map(weights));
    const [found] = await new Inverse(library, shape, 1).hear(windows);
    const both = await phone.outputs(batch, [nodes.frames, nodes.utterance]);
    expect(both[nodes.utterance]).toEqual(found!.utterance);
    expect(Math.max(...both[nodes.frames].map((x, i) => Math.abs(x - found!.frames[i]!)))).toBeLessThan(1e-5);
  });

  it('a search comes nearer to the sound, and the same seed gives the same bits', async () => {
    const random = new Random(8);
    const truth = drawUtterance(tract, random, 40 + 2 * MARGIN);
    const [target] = await heard.hear([truth], [3]);
    const inner = truth.frames.slice(MARGIN * parameters, (MARGIN + 40) * parameters);
    const guess = disturb({ frames: inner, utterance: truth.utterance }, parameters, random, 0.5);
    const options = { rounds: 4, known: false, seed: 1 };
    const found = await search(heard, target!, guess, options);
    const snr = async (u: typeof guess) => {
      const padded = new Float32Array((40 + 2 * MARGIN) * parameters);
      for (let i = 0; i < 40 + 2 * MARGIN; i++) {
        const from = Math.min(39, Math.max(0, i - MARGIN)) * parameters;
        padded.set(u.frames.subarray(from, from + parameters), i * parameters);
      }
      const [sound] = await heard.hear([{ frames: padded, utterance: u.utterance }], [3]);
      return spectralSnr(target!, bringToLevel(sound!, bands, frontEnd, loudness(target!, bands, frontEnd)));
    };
    const [before, after] = [await snr(guess), await snr(found)];
    expect(after).toBeGreaterThan(before + 1);
    expect(await search(heard, target!, guess, options)).toEqual(found);
  });
});

describe('training', () => {
  const options = { steps: 12, batchSize: 8, samples: 16, roundSteps: 4, channels: 16, threads: 1, seed: 7 };

  /** Steps `from` to `to` of a run, as the runner takes them. */
  async function run(training: Training, network: Network, from: number, to: number): Promise<number[]> {
    const losses: number[] = [];
    const { rounds } = training;
    for (let step = from; step < to; step++) {
      if (step % rounds!.steps === 0) await rounds!.begin(network, step / rounds!.steps);
      const { loss } = await training.step!(network, await training.batch(step, 12), { learningRate: 2e-3 });
      losses.push(loss);
    }
    return losses;
  }

  async function begin(): Promise<{ training: Training; network: Network }> {
    const config = articulation.configure(options);
    const training = await articulation.prepare(config, { store: await storeOf(await speech(4, 120, 9)) });
    const network = new Network(training.graph, { maxExamples: 8, threads: 1, ...training.network });
    network.setParameters(initialParameters(training.graph, 7));
    return { training, network };
  }

  it('resumed inside a round, a run ends with the same bits', async () => {
    const whole = await begin();
    await run(whole.training, whole.network, 0, 12);
    const first = await begin();
    await run(first.training, first.network, 0, 6);
    const state = first.network.getState();
    const pool: Arrays = first.training.getState!();
    const second = await begin();
    second.training.setState!(pool);
    second.network.setState(state);
    await run(second.training, second.network, 6, 12);
    expect(second.network.getParameters()).toEqual(whole.network.getParameters());
    for (const { network } of [whole, first, second]) network.close();
  });

  it('writes a model that loads, measures itself, and forgets a third of the pool each round', async () => {
    const { training, network } = await begin();
    const losses = await run(training, network, 0, 9);
    expect(losses.every(Number.isFinite)).toBe(true);
    // 16, then 11 of them and 16 new ones, then 18 of those and 16.
    expect(training.getState!().get('pool.seeds')).toHaveLength(34);
    const measured = await training.measure!(network);
    expect(Object.keys(measured)).toEqual(['snr', 'corrected', 'ownR2']);
    expect(Object.keys(training.captions!.measures!)).toEqual(Object.keys(measured));
    expect(Object.keys(training.captions!.losses!)).toEqual(
      training.graph.nodes.filter((node) => node.op === 'loss').map((node) => node.name),
    );
    const finished = await training.finish(network, { out: folder, step: 9, provenance: { system: 'articulation' } });
    expect(finished.model).toBe('articulation.safetensors');
    const inversion = await ArticulatoryInversion.load(join(folder, finished.model), { threads: 1 });
    expect(inversion.model.provenance).toEqual({ system: 'articulation' });
    const [samples] = await speech(1, 50, 4);
    const found = await inversion.invert(samples!);
    expect(found.frames).toHaveLength(found.rows * parameters);
    inversion.close();
    network.close();
  });

  it('refuses options and corpora that do not fit', async () => {
    expect(() => articulation.configure({ process: 'trumpet' })).toThrow(/process must be one of vocal-tract/);
    expect(() => articulation.configure({ forget: 2 })).toThrow(/forget must be a number from 0 to 1/);
    expect(() => articulation.configure({ samples: 1.5 })).toThrow(/samples must be an integer/);
    const short = await storeOf(await speech(2, 12, 1));
    await expect(articulation.prepare(articulation.configure(options), { store: short })).rejects.toMatchObject({
      code: 'ERR_DATASET',
    });
  });

  it('inverts a process of one’s own', async () => {
    /** A tone whose pitch moves. */
    const tone: ForwardProcess = {
      ...{ name: 'tone', sampleRate: 16000, hop: 160, utteranceParameters: [] },
      frameParameters: [
        {
          name: 'hz',
          unit: 'Hz',
          description: '',
          min: 50,
          max: 8000,
          default: 440,
          low: 200,
          high: 3200,
          scale: 'log',
        },
      ],
      async synthesize(batch: readonly Controls[]) {
        return batch.map(({ frames }) => {
          let phase = 0;
          return Float32Array.from({ length: frames.length * 160 }, (_, n) => {
            phase += frames[Math.floor(n / 160)]! / 16000;
            return 0.3 * Math.sin(2 * Math.PI * phase);
          });
        });
      },
    };
    const system = articulationOf(tone);
    const random = new Random(3);
    const truth = Array.from({ length: 6 }, () => drawUtterance(tone, random, 100));
    const own = new HeardProcess(tone, frontEnd);
    const recordings = await tone.synthesize(truth.map((u) => own.controls(u, 1)));
    const config = system.configure({ ...options, steps: 120, samples: 64, roundSteps: 40 });
    expect(config.process).toBe('tone');
    const training = await system.prepare(config, { store: await storeOf(recordings) });
    const network = new Network(training.graph, { maxExamples: 8, threads: 1, ...training.network });
    network.setParameters(initialParameters(training.graph, 7));
    await run(training, network, 0, 120);
    const { model } = await training.finish(network, { out: folder, step: 120, provenance: {} });
    const inversion = await ArticulatoryInversion.load(join(folder, model), { process: tone, threads: 1 });
    const found = await inversion.invert(recordings[0]!, { corrections: 0 });
    const want = own.controls(truth[0]!, 1).frames;
    const semitones = Array.from(want, (hz, i) => Math.abs(12 * Math.log2(found.frames[i]! / hz))).sort(
      (a, b) => a - b,
    );
    expect(semitones[50]).toBeLessThan(3);
    await expect(ArticulatoryInversion.load(join(folder, model))).rejects.toThrow(/inverse of tone/);
    inversion.close();
    network.close();
  });
});

describe('inversion', () => {
  it('a stream told loudness and length gives the bits of invert, whatever the chunks', async () => {
    const inversion = ArticulatoryInversion.fromModel(untrained(), { threads: 1 });
    const given = { loudness: 7, utterance: { length: 15 } };
    for (const length of [100, 5000, 40_001]) {
      const samples = (await speech(1, 300, length))[0]!.subarray(0, length);
      const whole = await inversion.invert(samples, { ...given, corrections: 0 });
      const stream = inversion.stream(given);
      const random = new Random(length);
      const parts: number[] = [];
      for (let at = 0; at < length; ) {
        const size = 1 + random.int(3000);
        const { frames, first } = stream.push(samples.subarray(at, at + size));
        expect(first * parameters).toBe(parts.length);
        parts.push(...frames);
        at += size;
      }
      parts.push(...stream.flush().frames);
      expect(parts).toHaveLength(whole.frames.length);
      expect(Float32Array.from(parts)).toEqual(whole.frames);
      expect(stream.flush().frames).toHaveLength(0);
    }
    inversion.close();
  });

  it('a stream follows loudness and length by itself', async () => {
    const inversion = ArticulatoryInversion.fromModel(untrained(), { threads: 1 });
    const [samples] = await speech(1, 200, 2);
    const stream = inversion.stream();
    const { frames, utterance } = stream.push(samples!);
    expect(frames.length).toBeGreaterThan(0);
    expect(utterance[0]).toBeGreaterThan(8);
    expect(() => stream.push(Float32Array.of(0, Number.NaN))).toThrow(/chunk\[1\] must be finite/);
    inversion.close();
  });

  it('gain and number of threads change nothing; the re-synthesis is as loud as the recording', async () => {
    const [samples] = await speech(1, 80, 6);
    const one = ArticulatoryInversion.fromModel(untrained(), { threads: 1 });
    const two = ArticulatoryInversion.fromModel(untrained(), { threads: 2 });
    const a = await one.invert(samples!, { corrections: 1, search: 1 });
    expect(await two.invert(samples!, { corrections: 1, search: 1 })).toEqual(a);
    const made = await one.synthesize(a);
    expect(made).toHaveLength(samples!.length);
    const level = async (x: Float32Array) => loudness(await features(x, { frontEnd }), bands, frontEnd);
    expect(Math.abs((await level(made)) - (await level(samples!)))).toBeLessThan(1);
    one.close();
    two.close();
  });

  it('adapts to recordings without labels, the same way each time, and leaves the model as it was', async () => {
    const model = untrained();
    const inversion = ArticulatoryInversion.fromModel(model, { threads: 1 });
    const recordings = await speech(2, 60, 12);
    const losses: number[] = [];
    const adapted = await inversion.adapt(recordings, { steps: 6, onProgress: ({ loss }) => losses.push(loss) });
    expect(losses).toHaveLength(6);
    const again = await inversion.adapt(recordings, { steps: 6 });
    expect(again.model.weights).toEqual(adapted.model.weights);
    expect(adapted.model.weights).not.toEqual(model.weights);
    expect(inversion.model.weights).toBe(model.weights);
    const abort = new AbortController();
    abort.abort(new Error('enough'));
    await expect(inversion.adapt(recordings, { steps: 6, signal: abort.signal })).rejects.toThrow('enough');
    for (const one of [inversion, adapted, again]) one.close();
  });

  it('says what is wrong with what it is given', async () => {
    const inversion = ArticulatoryInversion.fromModel(untrained(), { threads: 1 });
    await expect(inversion.invert(new Float32Array(0))).rejects.toThrow(/samples must not be empty/);
    await expect(inversion.invert(Float32Array.of(0, Number.NaN))).rejects.toThrow(/samples\[1\] must be finite/);
    await expect(inversion.invert([0] as never)).rejects.toThrow(/samples must be a Float32Array/);
    const silence = new Float32Array(8000);
    expect((await inversion.invert(silence)).rows).toBe(51);
    await expect(inversion.invert(silence, { corrections: -1 })).rejects.toThrow(/corrections must be an integer/);
    await expect(inversion.invert(silence, { search: 0.5 })).rejects.toThrow(/search must be an integer/);
    await expect(inversion.invert(silence, { utterance: { length: 99 } })).rejects.toThrow(/utterance.length must be/);
    await expect(inversion.invert(silence, { utterance: { width: 1 } })).rejects.toThrow(/one of length/);
    await expect(inversion.adapt([])).rejects.toThrow(/recordings must be/);
    inversion.close();
    const file = join(folder, 'no-model.safetensors');
    await writeFile(file, 'nothing');
    await expect(ArticulatoryInversion.load(file)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
    const wrong = untrained();
    wrong.mean[3] = Number.NaN;
    await expect(saveInversionModel(file, wrong)).rejects.toThrow(/normalization.mean must be finite/);
  });

  it('says what runs on a phone', () => {
    const inversion = ArticulatoryInversion.fromModel(untrained(), { threads: 1 });
    const { kind, inputs, outputs, metadata } = inversion.deployed();
    expect({ kind, input: inputs[0]!.node, outputs: outputs.map((o) => o.name) }).toEqual({
      ...{ kind: 'articulation', input: 'features', outputs: ['frames', 'utterance'] },
    });
    expect(metadata.frame_parameters!.split(',')).toHaveLength(parameters);
    inversion.close();
  });
});
