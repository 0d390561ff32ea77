// The plans of a network: made when they are first asked for, kept as long as there are few.
import type { Plan } from '../native/plan.js';
import type { NativeNetwork } from '../native/types.js';
import { Audio2VecError } from '../util/errors.js';
import type { Mode, Statistics } from './engine-graph.js';

/** A plan that the addon has, and room for its losses. */
export interface RunnablePlan {
  id: number;
  plan: Plan;
  losses: Float64Array;
  /** Whether a function that `Network.bindForward` returned runs it. */
  bound: boolean;
}

/** What a plan computes. */
export interface Wanted {
  mode: Mode;
  /** Nodes that are read afterwards. */
  targets: readonly string[];
  /** Inputs whose gradient is wanted. */
  gradients?: readonly string[];
  statistics?: Statistics;
}

/** Plans that are kept; of others, the memory is given back and they are made anew when they are asked for. */
const MOST_PLANS = 6;

export class PlanCache {
  /** By what they compute; the one that was asked for last is at the end. */
  private readonly plans = new Map<string, RunnablePlan>();
  /** The training plan that ran last, which an update may follow. */
  trained?: RunnablePlan;

  constructor(
    private readonly handle: NativeNetwork,
    private readonly maxExamples: number,
    private readonly make: (wanted: Wanted) => Plan,
  ) {}

  get({ mode, targets, gradients = [], statistics = 'batch' }: Wanted): RunnablePlan {
    const key = JSON.stringify([mode, targets, gradients, statistics]);
    const known = this.plans.get(key);
    if (known) this.plans.delete(key);
    const entry = known ?? this.add({ mode, targets, gradients, statistics });
    this.plans.set(key, entry); // at the end
    return entry;
  }

  private add(wanted: Wanted): RunnablePlan {
    const plan = this.make(wanted);
    for (const [key, old] of this.plans) {
      if (this.plans.size < MOST_PLANS) break;
      if (old.bound || old === this.trained) continue;
      this.plans.delete(key);
      this.handle.removePlan(old.id);
    }
    const id = allocated(this.maxExamples, () => this.handle.addPlan(plan, wanted.mode === 'train'));
    return { id, plan, losses: new Float64Array(plan.losses.length), bound: false };
  }
}

/** What `allocate` gives, or `ERR_MEMORY`. */
export function allocated<T>(maxExamples: number, allocate: () => T): T {
  try {
    return allocate();
  } catch (cause) {
    if (!(cause instanceof Error && cause.message === 'out of memory')) throw cause;
    throw new Audio2VecError(
      'ERR_MEMORY',
      `There is no memory for ${maxExamples} examples at a time: use a smaller batch or narrower channels.`,
      { cause },
    );
  }
}
