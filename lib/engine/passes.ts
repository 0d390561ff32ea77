// Cuts the steps of a phase into passes, and each pass into strips of rows, so that what one step writes and the next
// reads is still in cache.
import { stepsByRows } from '../native/addon.js';
import { type Plan, type PlanPass, type PlanStep, tensorsOf } from '../native/plan.js';

/** Bytes that the tensors of a strip should stay below: more than an L1 cache holds, because a step touches only some of
 * them, and because shorter strips read and write the weight gradients' sums more often. */
const STRIP_BYTES = 100 * 1024;
/** A strip of fewer positions than this would read the weights too often. */
const STRIP_POSITIONS = 96;

/** The operand whose neighbouring rows a step reads. */
function halo(step: PlanStep, plan: Plan): number {
  if (step.conv < 0 || plan.convs[step.conv]!.kt === 1) return -1;
  return step.x; // conv: its input; conv_data: the output's gradient; conv_weights: the input
}

export function cutIntoPasses(steps: readonly PlanStep[], plan: Plan): PlanPass[] {
  const passes: PlanPass[] = [];
  let current: PlanStep[] = [];
  let whole = false;
  const written = new Set<number>();
  const close = () => {
    if (current.length > 0)
      passes.push({ strips: whole ? 1 : stripsOf(current, plan), edge: 0, stride: 0, steps: current });
    current = [];
    written.clear();
  };
  for (const step of steps) {
    const stepWhole = !stepsByRows.has(step.kind);
    if (stepWhole !== whole || written.has(halo(step, plan))) close();
    whole = stepWhole;
    current.push(step);
    for (const i of [step.y, step.y2]) if (i >= 0) written.add(i);
  }
  close();
  return passes;
}

function stripsOf(steps: readonly PlanStep[], plan: Plan): number {
  const used = new Set(steps.flatMap(tensorsOf));
  const tensors = [...used].map((i) => plan.tensors[i]!);
  const bytes = tensors.reduce((sum, { t, f, c }) => sum + 4 * t * f * c, 0);
  // Rows that are computed in pairs stay together.
  const inPairs = steps.filter((s) => s.conv >= 0 && plan.convs[s.conv]!.winograd === 1);
  const rows = Math.min(...tensors.map((t) => t.t), ...inPairs.map((s) => plan.tensors[s.x]!.t / 2));
  const positions = Math.max(...tensors.map((t) => t.t * t.f));
  const most = Math.min(rows, Math.floor(positions / STRIP_POSITIONS));
  let best = 1;
  const cuts = (strips: number) => rows % strips === 0 && tensors.every(({ t }) => t % strips === 0);
  for (let strips = 1; strips <= most && bytes / best > STRIP_BYTES; strips++) if (cuts(strips)) best = strips;
  return best;
}

/** Marks scratch tensors of which only the strip at hand is ever needed: in every phase one pass alone touches them, and
 * nothing reads neighbouring rows. All strips then use the same memory, which stays in the L1 cache; a whole map of it
 * would go through the L2 cache instead. */
export function keepStripsOnly(plan: Plan): void {
  const more = new Set<number>();
  for (const { passes } of plan.phases) {
    const touched = new Set<number>();
    for (const { steps } of passes) {
      const here = new Set(steps.flatMap(tensorsOf));
      for (const i of here) if (touched.has(i)) more.add(i);
      for (const i of here) touched.add(i);
      for (const step of steps) more.add(halo(step, plan));
    }
  }
  plan.tensors.forEach((tensor, i) => {
    tensor.strip = tensor.group > 0 && !tensor.vector && !more.has(i);
  });
}
