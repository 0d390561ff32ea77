// What overlapping slices of a stream share beyond log-mel frames: rows of the maps that blocks end with. A row is the
// same in both slices where poolings fall alike and the zeros that pad each slice at its own ends do not reach. A stream
// keeps such rows (Network.bindForward with a hop) and computes only the others.
import type { Plan, PlanStep } from '../native/plan.js';

/** Frames from a row to the next, and rows at either end that depend on where the slice ends. */
interface Rows {
  stride: number;
  edge: number;
}

/** Says for each pass of an inference plan what may be carried of the map that it ends with. */
export function markCachedRows(plan: Plan): void {
  const known = new Map<number, Rows>();
  for (const input of Object.values(plan.inputs)) {
    if (!plan.tensors[input]!.vector) known.set(input, { stride: 1, edge: 0 });
  }
  for (const { passes } of plan.phases) {
    for (const pass of passes) {
      for (const step of pass.steps) {
        const rows = rowsOf(step, plan, known);
        if (rows) known.set(step.y, rows);
      }
      const last = pass.steps.at(-1)!;
      const rows = last.kind === 'max_pool' ? known.get(last.y) : undefined;
      // What else the pass makes would be missing in rows that are not computed.
      const alone = pass.steps.every((step) => step === last || plan.tensors[step.y]?.strip);
      if (rows && alone) Object.assign(pass, rows);
    }
  }
}

function rowsOf(step: PlanStep, plan: Plan, known: ReadonlyMap<number, Rows>): Rows | undefined {
  const operands = [step.x, step.b].filter((i) => i >= 0).map((i) => known.get(i));
  const [first] = operands;
  if (!first || operands.some((o) => o?.stride !== first.stride)) return undefined;
  const { stride } = first;
  const edge = Math.max(...operands.map((o) => o!.edge));
  switch (step.kind) {
    case 'conv': {
      const { kt, upsampled } = plan.convs[step.conv]!;
      return upsampled ? undefined : { stride, edge: edge + (kt - 1) / 2 };
    }
    case 'max_pool':
      return { stride: 2 * stride, edge: Math.ceil(edge / 2) };
    case 'add':
    case 'norm':
    case 'relu':
      return { stride, edge };
    default:
      return undefined;
  }
}
