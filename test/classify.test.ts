// Classifiers: fitted and fine-tuned on labelled recordings, stored with their encoder, used on recordings and live sound.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAudio } from '../lib/audio/index.js';
import { Classifier, type Heard } from '../lib/classify/classifier.js';
import { count, type Listening, Smoother, type Soundtrack, Trigger } from '../lib/classify/detector.js';
import { guess, linearModel, probabilities } from '../lib/classify/linear-model.js';
import { chooseThreshold } from '../lib/classify/operating-point.js';
import { suggest } from '../lib/classify/suggest.js';
import { exitCodes, runCli } from '../lib/cli/run-command-line.js';
import { Encoder } from '../lib/embed/encoder.js';
import { loadEncoderModel, saveEncoderModel } from '../lib/models/encoder-model.js';
import { parseSafetensors, writeSafetensors } from '../lib/util/safetensors.js';
import { SAMPLES } from './audio-fixtures.js';
import { command } from './helpers/command.js';
import { randomModel } from './helpers/models.js';

let home: string;
let labelled: string;
let encoder: Encoder;
let classifier: Classifier;
let saved: string;

/** Real recordings (CC0) by their names: what they are of. */
const kinds = { tabla: 'tabla', hat: 'hat', ambi: 'ambi', bd: 'bass drum' } as const;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'audio2vec-classify-'));
  labelled = join(home, 'labelled');
  saved = join(home, 'sounds.safetensors');
  for (const file of (await readdir(SAMPLES)).sort()) {
    const label = kinds[file.split('_')[0] as keyof typeof kinds];
    if (!label || !file.endsWith('.flac')) continue;
    await mkdir(join(labelled, label), { recursive: true });
    await cp(join(SAMPLES, file), join(labelled, label, file));
  }
  encoder = await Encoder.pretrained({ readOut: 'whitened' });
  classifier = await Classifier.fit(labelled, encoder, { seed: 3 });
  await classifier.save(saved);
}, 120_000);
afterAll(() => rm(home, { recursive: true }));

describe('a linear model', () => {
  // Two labels along the axes, around the mean (1, 1).
  const rows = Float32Array.of(3, 1, 3, 1, 1, 3, 1, 3);
  const model = linearModel(
    { labels: ['right', 'up'] },
    { weights: [4, 0, 0, 4], bias: [0, 0] },
    rows,
    Int32Array.of(0, 0, 1, 1),
  );

  it('gives softmax probabilities, and a score of 1 to what is like its recordings', () => {
    const p = probabilities(model, [3, 1]);
    expect(p[0]).toBeCloseTo(1 / (1 + Math.exp(-8)), 12);
    expect(p[0]! + p[1]!).toBeCloseTo(1, 12);
    expect(guess(model, [3, 1]).label).toBe(0);
    expect(guess(model, [3, 1]).score).toBeCloseTo(p[0]!, 6);
    expect(guess(model, [1, 3]).label).toBe(1);
  });

  it('gives a low score to what is like none of them, however probable', () => {
    expect(probabilities(model, [-8, -10])[0]).toBeGreaterThan(0.99);
    expect(guess(model, [-8, -10]).score).toBeLessThan(0.1);
    const none = { ...model, none: 0 };
    expect(guess(none, [3, 1])).toEqual({ label: -1, score: 0 });
  });
});

describe('thresholds', () => {
  it('keep the share of known recordings that is asked for', () => {
    const known = Array.from({ length: 100 }, (_, i) => (99 - i) / 100);
    expect(chooseThreshold({ known }, 0.95)).toBe(0.05);
    expect(chooseThreshold({ known }, 1)).toBe(0);
    expect(chooseThreshold({ known: [] }, 0.9)).toBe(0);
  });

  it('are triggers that fall silent for the refractory time', () => {
    const trigger = new Trigger({ threshold: 0.5, refractorySeconds: 1 });
    const at = (seconds: number, label: number, score: number) => trigger.push({ label, score }, seconds);
    expect(at(0, 0, 0.4)).toBe(false);
    expect(at(0.5, 0, 0.5)).toBe(true);
    expect(at(1, 0, 0.9)).toBe(false); // goes on
    expect(at(1.5, 1, 0.9)).toBe(true); // another
    expect(at(2, 0, 0.9)).toBe(false); // heard a second ago
    expect(at(3.5, 0, 0.9)).toBe(true);
    expect(at(4, -1, 1)).toBe(false);
  });

  it('average embeddings as a short recording does', () => {
    const smoother = new Smoother({ smoothSeconds: 0.5, hopSeconds: 0.24 });
    expect([...(smoother.push([2, 0]) as Float64Array)]).toEqual([2, 0]);
    expect([...(smoother.push([4, 2]) as Float64Array)]).toEqual([3, 1]);
    expect([...(smoother.push([0, 0]) as Float64Array)]).toEqual([2, 1]);
  });

  it('count hits, misses and false alarms', () => {
    const rule: Listening = { hopSeconds: 1, smoothSeconds: 0, threshold: 0.5, refractorySeconds: 1.5 };
    const track: Soundtrack = {
      seconds: [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5],
      embeddings: [],
      sounds: [
        { start: 0, end: 2, label: 0 },
        { start: 2, end: 4, label: 0 }, // the same label goes on: one sound
        { start: 4, end: 6, label: -1 },
        { start: 6, end: 8, label: 1 },
      ],
    };
    const heard = (...labels: number[]) => labels.map((label) => ({ label, score: label < 0 ? 0 : 0.9 }));
    const of = (...labels: number[]) => count({} as never, track, heard(...labels), rule);
    expect(of(0, 0, 0, 0, -1, -1, 1, 1)).toEqual({ sounds: 2, hits: 2, falseAlarms: 0 });
    expect(of(-1, -1, -1, -1, -1, -1, -1, -1)).toEqual({ sounds: 2, hits: 0, falseAlarms: 0 });
    expect(of(1, -1, -1, -1, -1, 0, -1, 1)).toEqual({ sounds: 2, hits: 1, falseAlarms: 2 });
  });
});

describe('a classifier fitted on labelled recordings', () => {
  it('tells recordings it has not seen, and says how well', () => {
    const { clips, accuracy, interval, heldOut, kept, refused, unknown, stream } = classifier.figures!;
    expect(heldOut).toBeGreaterThan(0.75);
    expect(clips).toBeGreaterThan(15);
    expect(accuracy).toBeGreaterThan(0.75);
    expect(interval.low).toBeLessThan(accuracy);
    expect(kept).toBeGreaterThan(0.7);
    expect(unknown).toBe('labels left out');
    expect(refused).toBeGreaterThan(0);
    const inUse = stream.points.find((p) => p.threshold === classifier.model.listening.threshold)!;
    expect(inUse.misses).toBeLessThan(0.6);
    const misses = stream.points.map((p) => p.misses);
    expect(misses.at(-1)!).toBeGreaterThanOrEqual(misses[0]!);
  });

  it('is the same again with the same seed', async () => {
    expect((await Classifier.fit(labelled, encoder, { seed: 3 })).model).toEqual(classifier.model);
  });

  it('is stored with its encoder in one file, which is an encoder file, too', async () => {
    const again = await Classifier.load(saved);
    expect(again.model).toEqual(classifier.model);
    const samples = await readAudio(join(SAMPLES, 'tabla_dhec.flac'));
    expect(await again.classify(samples)).toEqual(await classifier.classify(samples));
    expect(await loadEncoderModel(saved)).toEqual(encoder.model);
    const plain = join(home, 'plain.safetensors');
    await saveEncoderModel(plain, randomModel());
    await expect(Classifier.load(plain)).rejects.toThrow(/without a classifier.*classify --fit/);
    await expect(Classifier.load(join(home, 'missing'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it('is exported with its encoder', async () => {
    const output = join(home, 'sounds.onnx');
    const { code, stdout, stderr } = await command(['export', saved, '-o', output, '--json']);
    expect({ code, stderr }).toMatchObject({ code: exitCodes.ok });
    expect(JSON.parse(stdout).parity.maxProbabilityError).toBeLessThan(1e-3);
  }, 60_000);

  it('is refused if its file is damaged', async () => {
    const bytes = await readFile(saved);
    const damage = async (change: (file: ReturnType<typeof parseSafetensors>) => void) => {
      const file = parseSafetensors(bytes, saved);
      change(file);
      const damaged = join(home, 'damaged.safetensors');
      await writeSafetensors(damaged, file.tensors, file.metadata);
      await expect(Classifier.load(damaged)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
    };
    await damage(({ tensors }) => tensors.delete('classifier.bias'));
    await damage(({ tensors }) => (tensors.get('classifier.weight')!.data as Float32Array).fill(Number.NaN));
    await damage(({ tensors }) => (tensors.get('classifier.std')!.data as Float32Array).fill(0));
    await damage(({ metadata }) => {
      metadata.classifier = metadata.classifier!.replace('"threshold":0', '"threshold":7');
    });
    await damage(({ metadata }) => {
      metadata.classifier = '{';
    });
  });

  it('hears what begins in live sound, in both forms', async () => {
    const files = ['ambi_drone', 'tabla_dhec', 'bd_haus', 'hat_bdu'].map((name) => join(SAMPLES, `${name}.flac`));
    const sounds = await Promise.all(files.map((file) => readAudio(file)));
    const silence = new Float32Array(16_000);
    const all: Heard[] = [];
    const source = [...sounds.flatMap((s) => [s, silence])];
    for await (const heard of classifier.live(source, { threshold: 0.2 })) all.push(heard);
    expect(all.filter((h) => h.begins).map((h) => h.label)).toContain('ambi');
    for (const { label, score, probabilities: p } of all) {
      expect(label === undefined || score >= 0.2).toBe(true);
      expect(Object.values(p).reduce((a, b) => a + b)).toBeCloseTo(1, 9);
    }
    const piped: Heard[] = [];
    const into = new Writable({
      objectMode: true,
      write(heard, _, done) {
        piped.push(heard);
        done();
      },
    });
    await pipeline(Readable.from(source), classifier.transform({ threshold: 0.2 }), into);
    expect(piped).toEqual(all);
    expect(() => classifier.transform({ threshold: 2 })).toThrow(/^threshold must be from 0 to 1/);
    expect(() => classifier.transform({ smoothSeconds: -1 })).toThrow(/^smoothSeconds must be/);
  });

  it('takes a label for none of the others, background, and a limit to false alarms', async () => {
    const background = join(home, 'background');
    await mkdir(background);
    for (const name of ['vinyl_hiss', 'vinyl_rewind', 'vinyl_scratch', 'vinyl_backspin']) {
      await cp(join(SAMPLES, `${name}.flac`), join(background, `${name}.flac`));
    }
    const options = { none: 'hat', background, falseAlarmsPerHour: 0, keep: 0.9, refractorySeconds: 0.5 };
    const strict = await Classifier.fit(labelled, encoder, options);
    const half = await Classifier.fit(labelled, encoder, { seed: 3, keep: 0.5 });
    expect(half.figures!.refused).toBeGreaterThan(classifier.figures!.refused! + 0.2);
    expect(half.figures!.kept).toBeLessThan(classifier.figures!.kept);
    expect(strict.figures!.unknown).toBe('none');
    expect(strict.figures!.refused).toBeGreaterThan(0.5);
    expect(strict.model.listening.threshold).toBeGreaterThanOrEqual(classifier.model.listening.threshold);
    expect(strict.model.listening.refractorySeconds).toBe(0.5);
    const hat = await strict.classify(await readAudio(join(SAMPLES, 'hat_bdu.flac')));
    expect(hat.label).toBeUndefined();
    await expect(Classifier.fit(labelled, encoder, { none: 'nothing' })).rejects.toThrow(/^none must be a label/);
    await expect(Classifier.fit(labelled, encoder, { keep: 0 })).rejects.toThrow(/^keep must be/);
  });
});

describe('audio2vec classify', () => {
  it('--fit makes the file, and says in sentences what it is worth', async () => {
    const output = join(home, 'made.safetensors');
    const { code, stdout, stderr } = await command(['classify', '--fit', labelled, '-o', output, '--seed', '3']);
    expect({ code, stderr }).toMatchObject({ code: exitCodes.ok });
    expect(stdout).toMatch(
      /tells 4 labels: ambi, bass drum, hat, tabla\nOf \d+ recordings it had not seen, [\d.]+ % are/,
    );
    expect(stdout).toMatch(/\d\.\d{3} +[\d.]+ % +[\d.]+ +in use/);
    expect(await readFile(output)).toEqual(await readFile(saved));
  });

  it('warns if the test part is of other sources than the training part', async () => {
    const folder = join(home, 'sources');
    // Each label is one source in training; in the test part they change places.
    for (const [label, name, other] of [
      ['x', 'tabla', 'hat'],
      ['y', 'hat', 'tabla'],
    ]) {
      const of = (kind: string) => readdir(join(labelled, kind));
      for (const [part, kind] of [
        ['train', name!],
        ['test', other!],
      ] as const) {
        await mkdir(join(folder, part, label!), { recursive: true });
        for (const file of await of(kind)) await cp(join(labelled, kind, file), join(folder, part, label!, file));
      }
    }
    const { stderr } = await command(['classify', '--fit', folder, '-o', join(home, 'sources.safetensors')]);
    expect(stderr).toMatch(/warning: Of recordings held out of the training part .* of the test part only/);
  });

  it('prints a line for each recording: columns, CSV or JSON', async () => {
    const folder = join(home, 'some');
    await mkdir(folder);
    await cp(join(SAMPLES, 'ambi_drone.flac'), join(folder, 'a,b.flac'));
    await writeFile(join(folder, 'bad.wav'), 'no');
    const text = await command(['classify', saved, folder]);
    expect(text.code).toBe(exitCodes.ok);
    expect(text.stdout).toMatch(/a,b\.flac\tambi\t[01]\.\d\d\n$/);
    expect(text.stderr).toContain('bad.wav');
    const csv = (await command(['classify', saved, folder, '--csv'])).stdout.split('\n');
    expect(csv[0]).toBe('file,label,score,ambi,bass drum,hat,tabla');
    expect(csv[1]).toMatch(/^"[^"]*a,b\.flac",ambi,0?\.?\d/);
    const json = (await command(['classify', saved, folder, '--json'])).stdout.trim().split('\n');
    expect(json.map((line) => JSON.parse(line))).toMatchObject([
      { label: 'ambi', probabilities: { tabla: expect.any(Number) } },
      { error: { code: 'ERR_AUDIO_FORMAT' } },
    ]);
    const strict = await command(['classify', saved, folder, '--threshold', '1']);
    expect(strict.stdout).toContain('(none of these)');
  });

  it('listens to standard input and through long recordings', async () => {
    const file = join(SAMPLES, 'ambi_drone.flac');
    const pcm = Int16Array.from(await readAudio(file), (x) => Math.round(32767 * x));
    const bytes = Buffer.from(pcm.buffer);
    const live = await command(['classify', saved, '-', '--all', '--csv', '--quiet'], Readable.from([bytes]));
    expect(live.code).toBe(exitCodes.ok);
    expect(live.stdout.split('\n')[0]).toBe('seconds,label,score,ambi,bass drum,hat,tabla');
    const events = await command(['classify', saved, file, '--events', '--threshold', '0.2']);
    expect(events.stdout).toMatch(/ambi_drone\.flac\t\d+\.\d\d\tambi\t/);
  });

  it.each([
    ['classify'],
    ['classify', 'x.safetensors'],
    ['classify', '--fit', 'labelled'],
    ['classify', 'x.safetensors', 'y.wav', '-o', 'z'],
    ['classify', 'x.safetensors', 'y.wav', '--fit', 'labelled', '-o', 'z.safetensors'],
    ['finetune', 'labelled'],
    ['finetune', 'labelled', '-o', 'x.safetensors', '--steps', '1', '--minutes', '1'],
    ['suggest', 'labelled', '-o', 'x.txt'],
  ])('%s … is wrong usage', async (...line) => {
    expect((await command(line)).code).toBe(exitCodes.usage);
  });
});

describe('audio2vec finetune', () => {
  it('trains encoder and classifier, and writes what classify reads', async () => {
    const output = join(home, 'tuned.safetensors');
    const line = ['finetune', labelled, '-o', output, '--steps', '60', '--batch-size', '16', '--json'];
    const { code, stdout, stderr } = await command(line);
    expect({ code, stderr }).toMatchObject({ code: exitCodes.ok });
    expect(stderr).toMatch(/step 60\/60.*held-out accuracy [\d.]+ %/);
    const { labels, clips, accuracy } = JSON.parse(stdout);
    expect(labels).toEqual(['ambi', 'bass drum', 'hat', 'tabla']);
    expect(clips).toBe(classifier.figures!.clips);
    expect(accuracy).toBeGreaterThan(0.6);
    const tuned = await Classifier.load(output);
    expect(tuned.encoder.model.provenance).toMatchObject({ supervised: { steps: 60 } });
    const sure = await tuned.classify(await readAudio(join(SAMPLES, 'ambi_drone.flac')));
    expect(Object.keys(sure.probabilities)).toEqual(labels);
  }, 120_000);

  it('says that it keeps nothing when it is interrupted', async () => {
    const stop = new AbortController();
    const io = {
      stdout: new Writable({ write: (_, __, done) => done() }),
      stderr: new Writable({
        decodeStrings: false,
        write(chunk, _, done) {
          text += chunk;
          if (/^step/m.test(text)) stop.abort('SIGINT');
          done();
        },
      }),
      env: {},
    };
    let text = '';
    const line = ['finetune', labelled, '-o', join(home, 'never.safetensors'), '--from', 'none', '--steps', '5000'];
    expect(await runCli(line, io, { signal: stop.signal })).toBe(exitCodes.interrupted);
    expect(text).toContain('interrupted. Fine-tuning keeps nothing');
    await expect(readFile(join(home, 'never.safetensors'))).rejects.toMatchObject({ code: 'ENOENT' });
  }, 60_000);
});

describe('suggestions for labelling', () => {
  it('name a recording that lies in the wrong folder, and different recordings to label next', async () => {
    const folder = join(home, 'mistaken');
    await cp(labelled, folder, { recursive: true });
    await cp(join(SAMPLES, 'ambi_dark_woosh.flac'), join(folder, 'hat', 'mistake.flac'));
    await rm(join(folder, 'ambi', 'ambi_dark_woosh.flac'));
    const unlabelled = join(home, 'unlabelled');
    await mkdir(unlabelled);
    for (const file of (await readdir(SAMPLES)).filter((name) => /^(perc|elec)_.*\.flac$/.test(name))) {
      await cp(join(SAMPLES, file), join(unlabelled, file));
    }
    // Twice the same sound: only one of them teaches anything.
    await cp(join(unlabelled, 'perc_bell.flac'), join(unlabelled, 'perc_bell_copy.flac'));
    const { doubtful, toLabel } = await suggest(folder, encoder, { unlabelled, number: 8 });
    expect(doubtful.slice(0, 4).map((d) => d.file)).toContain('hat/mistake.flac');
    for (const d of doubtful) expect(d.probability).toBeGreaterThan(d.given);
    expect(toLabel).toHaveLength(8);
    expect(toLabel.filter((t) => t.file.startsWith('perc_bell'))).not.toHaveLength(2);

    const output = join(home, 'next.csv');
    const { code, stdout } = await command([
      'suggest',
      folder,
      '--unlabelled',
      unlabelled,
      '--number',
      '8',
      '-o',
      output,
    ]);
    expect(code).toBe(exitCodes.ok);
    expect(stdout).toContain('hat/mistake.flac');
    const lines = (await readFile(output, 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(1 + doubtful.length + toLabel.length);
  }, 60_000);
});
