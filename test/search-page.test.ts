import { describe, expect, it } from 'vitest';
import { renderSearchPage } from '../lib/report/search-page.js';

const clip = (name: string, label: string, value: number) => ({
  ...{ name, label, samples: new Float32Array(400).fill(value) },
  spectrum: Float32Array.from({ length: 4 * 8 }, (_, i) => Math.sin(i)),
});
const clips = [clip('</script><b>', 'a', 0.1), clip('two', 'a', 0.2), clip('three', 'b', 0.3), clip('four', 'b', 0)];
// The first two point in one direction, the last two in another.
const order = { title: 'by hand', dim: 2, embeddings: Float32Array.of(1, 0, 5, 0.1, 0, 1, 0.1, 5) };

describe('page to search by example', () => {
  it('lists every sound and its neighbours by direction, in each order', async () => {
    const page = await renderSearchPage(clips, [order, { ...order, title: 'other' }], 8, { neighbours: 2 });
    const data = JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)![1]);
    expect(data.names).toEqual(clips.map(({ name }) => name));
    expect(data.labels.map((l: number) => data.labelNames[l])).toEqual(['a', 'a', 'b', 'b']);
    expect(data.orders.map((o: { title: string }) => o.title)).toEqual(['by hand', 'other']);
    expect(data.orders[0].nearest).toEqual([
      [1, 3],
      [0, 3],
      [3, 1],
      [2, 1],
    ]);
    expect(data.audio.every((a: string) => atob(a).length === 400)).toBe(true);
    expect(data.pictures.every((p: string) => p.startsWith('data:image/png;base64,'))).toBe(true);
    expect(page).not.toContain('</script><b>');
  });

  it('refuses what does not fit together', async () => {
    await expect(renderSearchPage(clips.slice(0, 1), [], 8)).rejects.toThrow(/clips.length must be at least 2, got 1/);
    await expect(renderSearchPage(clips.slice(0, 3), [order], 8)).rejects.toThrow(
      /embeddings of by hand must be 3 of 2/,
    );
  });
});
