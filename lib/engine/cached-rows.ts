// What overlapping slices of a stream share beyond log-mel frames: rows of the maps that blocks end with. A row is the
// same in both slices where poolings fall alike and the zeros that pad each slice at its own ends do not reach. A stream
// keeps such rows (Network.bindForward with a hop) and computes only the others.
import { stepsByRows } from '../native/addon.js';
import type { Plan, PlanStep } from '../native/plan.js';

/** Frames from a row to the next, and rows at either end that depend on where the slice ends. */
interface Rows {
  stride: number;
  edge: number;
}

/** Says for each pass of an inference plan which rows a stream may cache of the map that it ends with. */
export function markCachedRows(plan: Plan): void {
  const known = new Map<number, Rows>();
  for (const input of Object.values(plan.inputs)) {
    if (!plan.tensors[input]!.vector) known.set(input, { stride: 1, edge: 0 });
  }
  for (const { passes, rows: units } of plan.phases) {
    for (const pass of passes) {
      for (const step of pass.steps) {
        const rows = rowsOf(step, plan, known);
        if (rows) known.set(step.y, rows);
      }
      const last = pass.steps.at(-1)!;
      const rows = last.kind === 'max_pool' ? known.get(last.y) : undefined;
      // A stream has one slice at a time; what else the pass makes would be missing in rows that are not computed.
      const alone = pass.steps.every((step) => step === last || plan.tensors[step.y]?.strip);
      if (rows && alone && units === 1) Object.assign(pass, rows);
    }
  }
}

/** Of what a step writes: a step that works on some rows of a map reads those, and as many more as its kernel reaches. */
function rowsOf(step: PlanStep, plan: Plan, known: ReadonlyMap<number, Rows>): Rows | undefined {
  if (!stepsByRows.has(step.kind) || step.y < 0) return undefined;
  const operands = [step.x, step.b].filter((i) => i >= 0).map((i) => known.get(i));
  const [first] = operands;
  if (!first || operands.some((o) => o?.stride !== first.stride)) return undefined;
  const { stride } = first;
  const conv = step.conv < 0 ? undefined : plan.convs[step.conv]!;
  const shrinks = plan.tensors[step.x]!.t / plan.tensors[step.y]!.t;
  if (conv?.upsampled || !Number.isInteger(shrinks)) return undefined;
  const edge = Math.max(...operands.map((o) => o!.edge)) + ((conv?.kt ?? 1) - 1) / 2;
  return { stride: shrinks * stride, edge: Math.ceil(edge / shrinks) };
}
