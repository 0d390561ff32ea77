import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { capabilities } from '../lib/index.js';

describe('capabilities', () => {
  it('name the vector width of the instruction set in use', () => {
    const lanes: Record<string, number> = { avx512: 16, avx2: 8, neon: 4, portable: 4 };
    const here = capabilities();
    expect(here.available).toContain(here.isa);
    expect(here.available.slice(-2)).toEqual(['portable', 'float64']);
    if (here.isa in lanes) expect(here.lanes).toBe(lanes[here.isa]);
    if (process.arch === 'arm64') expect(here.available[0]).toBe('neon');
  });
});

it('process.execPath starts a Node of this architecture', () => {
  const { stdout } = spawnSync(process.execPath, ['-p', 'process.arch'], { encoding: 'utf8' });
  expect(stdout.trim()).toBe(process.arch);
});
