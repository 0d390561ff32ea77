// When the tensors that are saved for the whole batch are needed: those whose live ranges do not overlap share memory. Most
// gradients begin when deeper layers' values are no longer wanted.
import { type Plan, tensorsOf } from '../native/plan.js';

/** Marks the first and last phase that touches each tensor, where nothing else reads it and its memory may hold something
 * else before and after. */
export function markLiveRanges(plan: Plan): void {
  const whole = new Set([...Object.values(plan.inputs), ...Object.values(plan.outputs)]);
  plan.phases.forEach(({ rows, passes }, phase) => {
    for (const i of passes.flatMap(({ steps }) => steps).flatMap(tensorsOf)) {
      const tensor = plan.tensors[i]!;
      // Small ones are not worth it; and what a phase begins to use it must walk through unit by unit.
      if (tensor.group > 0 || tensor.vector || (tensor.from < 0 && tensor.rows !== rows)) whole.add(i);
      if (whole.has(i)) continue;
      if (tensor.from < 0) tensor.from = phase;
      tensor.to = phase;
    }
  });
}
