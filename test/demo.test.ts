// The demo by its command, on its recordings, with a training too short to matter.
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DemoResult } from '../lib/demo/demo.js';
import { BuiltPackage } from './helpers/built-package.js';

let built: BuiltPackage;
let out: string;
let result: DemoResult;
let said: string;
beforeAll(async () => {
  [built, out] = await Promise.all([BuiltPackage.create(), mkdtemp(join(tmpdir(), 'audio2vec-demo-'))]);
  const args = ['demo', '--steps', '3', '-o', out, '--threads', '2', '--json'];
  const { code, stdout, stderr } = await built.run('dist/cli/main.js', args);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  result = JSON.parse(stdout);
  said = stderr;
}, 300_000);
afterAll(async () => {
  await built.remove();
  await rm(out, { recursive: true });
});

describe('demo', () => {
  it('begins with the pretrained encoder and keeps what it has learnt', async () => {
    const { config } = JSON.parse(await readFile(join(out, 'run.json'), 'utf8'));
    expect(config.from.name).toBe('pretrained');
    const [own, pretrained, untrained, logMel] = result.comparison.rows;
    expect([own, pretrained, untrained, logMel].map((row) => row.name)).toEqual([
      ...['encoder', 'pretrained encoder', 'untrained encoder', 'log-mel mean + std'],
    ]);
    expect(own.testClips).toBe(own.probe.predictions.length);
    expect(own.probe.accuracy).toBeGreaterThan(pretrained.probe.accuracy - 0.05);
  });

  it('shows a gain over what has learnt nothing that is more than chance', () => {
    const { pairs } = result.comparison;
    for (const name of ['untrained encoder', 'log-mel mean + std']) {
      const pair = pairs.find(({ against }) => against === name)!;
      expect(pair.interval.low, name).toBeGreaterThan(0);
      expect(pair.pValue, name).toBeLessThan(0.05);
    }
    expect(result.gain).toMatch(/^With the encoder a linear classifier names \d\d of 100 recordings right: \+/);
  });

  it('writes a report that says so first, a page to search in, and ONNX', async () => {
    const report = await readFile(result.report, 'utf8');
    expect(report).toContain('<p class="gain">');
    expect(report).toContain('167 clips, cross-validated in 10 parts');
    expect(report.indexOf('class="gain"')).toBeLessThan(report.indexOf('class="tile'));
    const search = await readFile(result.search, 'utf8');
    expect(search.match(/data-clip="\d+"/g)).toHaveLength(206);
    expect(search).not.toMatch(/(src|href)="(?!data:)/); // opens without a network
    expect(Buffer.byteLength(search)).toBeLessThan(9e6);
    expect((await stat(result.onnx)).size).toBe(result.exported.bytes);
  });

  it('tells what it is doing', () => {
    for (const stage of ['1  the pretrained encoder', '2  telling 10 labels', '3  exporting', '4  drawing']) {
      expect(said).toContain(stage);
    }
  });
});
