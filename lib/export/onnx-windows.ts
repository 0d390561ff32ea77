// Cuts a sequence into overlapping windows, in ONNX: samples into frames, and frames into slices.
import type { OnnxBuilder } from './onnx-builder.js';

/** A slice's end that every runtime understands as "all". */
export const toTheEnd = 2 ** 31 - 1;

/** `[N, count, …inner]` → windows `[N, windows, length·inner]` at every `hop`, like unfolding: rows of `hop`, side by
 * side with the rows after them. `count` is a number, or 'any' for a length known only at run time. */
export function emitWindows(
  b: OnnxBuilder,
  name: string,
  x: string,
  { count, length, hop, inner = 1 }: { count: number | 'any'; length: number; hop: number; inner?: number },
): string {
  const across = Math.ceil(length / hop);
  const axis = b.ints(1);
  // The last window's last row may reach past the end by what the window does not use of it.
  const missing = across * hop - length;
  const rank = inner === 1 ? 2 : 3;
  let padded = x;
  if (missing > 0) {
    const pads = Array.from({ length: 2 * rank }, (_, i) => (i === rank + 1 ? missing : 0));
    padded = b.node('Pad', `${name}.pad`, [x, b.ints(...pads)]);
  }
  let rows = -1;
  if (count === 'any') {
    const size = b.node('Gather', `${name}.size`, [b.node('Shape', `${name}.shape`, [padded]), axis], { axis: 0 });
    const whole = b.node('Mul', `${name}.whole`, [b.node('Div', `${name}.rows`, [size, b.ints(hop)]), b.ints(hop)]);
    padded = b.node('Slice', `${name}.crop`, [padded, b.ints(0), whole, axis]);
  } else {
    rows = Math.floor((count + missing) / hop);
    if (rows * hop < count + missing)
      padded = b.node('Slice', `${name}.crop`, [padded, b.ints(0), b.ints(rows * hop), axis]);
  }
  const table = b.node('Reshape', `${name}.table`, [padded, b.ints(count === 'any' ? 0 : -1, rows, hop * inner)]);
  if (length === hop) return table;
  const parts = Array.from({ length: across }, (_, i) => {
    const last = i === across - 1;
    const end = last ? toTheEnd : i + 1 - across;
    const used = last ? length - i * hop : hop;
    const [starts, ends, axes] =
      used < hop
        ? [
            [i, 0],
            [end, used * inner],
            [1, 2],
          ]
        : [[i], [end], [1]];
    return b.node('Slice', `${name}.row${i}`, [table, b.ints(...starts), b.ints(...ends), b.ints(...axes)]);
  });
  return across === 1 ? parts[0]! : b.node('Concat', name, parts, { axis: 2 });
}
