// A stand-in for the native engine, to test the control flow around it: a bowl whose bottom moves with each batch.
// Every parameter is pulled to a value computed from all frames of the batch, by a real Adam in float32, so that a
// batch, a moment or a step count that went astray changes the bits.
import type { AdamOptions, Arrays, Batch, Losses, NetworkState, Optimiser } from '../../lib/engine/network.js';
import { sizeOf } from '../../lib/graph/graph.js';
import type { NetworkFactory, TrainableNetwork } from '../../lib/systems/trainable-network.js';

export interface FakeNetworkOptions {
  /** Loss of this training step (from 1, counted by Adam's steps) is NaN. */
  divergeAt?: number;
  /** Called after every step with its number. */
  onStep?: (step: number) => void;
  /** Milliseconds a step takes. */
  stepTime?: number;
}

export function fakeNetworkFactory(options: FakeNetworkOptions = {}): NetworkFactory {
  return ({ nodes }) => {
    const params = nodes.flatMap((n) => n.params);
    const arrays = (trainableOnly: boolean) =>
      new Map(
        params.filter((p) => p.trainable || !trainableOnly).map((p) => [p.name, new Float32Array(sizeOf(p.shape))]),
      );
    const state: NetworkState = { params: arrays(false), m: arrays(true), v: arrays(true), steps: 0 };
    const losses = nodes.filter((n) => n.op === 'loss');
    let busy = false;

    /** Calls must not overlap, as with the real engine. */
    async function alone<T>(work: () => T): Promise<T> {
      if (busy) throw new Error('Calls on one network overlap.');
      busy = true;
      await new Promise((done) => (options.stepTime ? setTimeout(done, options.stepTime) : setImmediate(done)));
      busy = false;
      return work();
    }

    function lossOf(batch: Batch): Losses {
      const goal = target(batch);
      let sum = 0;
      let count = 0;
      for (const data of state.m.keys()) {
        for (const x of state.params.get(data)!) {
          sum += (x - goal) ** 2;
          count++;
        }
      }
      const value = sum / count;
      return { loss: value * losses.length, parts: Object.fromEntries(losses.map((n) => [n.name, value])) };
    }

    function adam(batch: Batch, { learningRate }: AdamOptions): void {
      const goal = target(batch);
      state.steps++;
      const [c1, c2] = [1 - 0.9 ** state.steps, 1 - 0.999 ** state.steps];
      for (const [name, m] of state.m) {
        const [p, v] = [state.params.get(name)!, state.v.get(name)!];
        for (let i = 0; i < p.length; i++) {
          const g = p[i]! - goal;
          m[i] = 0.9 * m[i]! + 0.1 * g;
          v[i] = 0.999 * v[i]! + 0.001 * g * g;
          p[i]! -= (learningRate * (m[i]! / c1)) / (Math.sqrt(v[i]! / c2) + 1e-8);
        }
      }
    }

    const copy = (map: Arrays) => new Map([...map].map(([name, a]) => [name, a.slice()]));
    const network = {
      step: (batch: Batch, how: Optimiser) =>
        alone(() => {
          const before = lossOf(batch);
          adam(batch, how as AdamOptions);
          options.onStep?.(state.steps);
          return state.steps === options.divergeAt ? { loss: Number.NaN, parts: before.parts } : before;
        }),
      evaluate: (batch: Batch) => alone(() => lossOf(batch)),
      forward: (batch: Batch, name: string) =>
        alone(() => {
          const node = nodes.find((n) => n.name === name)!;
          return new Float32Array(batch.examples * node.rows * sizeOf(node.shape)).map((_, i) => Math.sin(i));
        }),
      getState: () => ({ params: copy(state.params), m: copy(state.m), v: copy(state.v), steps: state.steps }),
      setState: (s: NetworkState) => {
        for (const key of ['params', 'm', 'v'] as const) {
          for (const [name, own] of state[key]) own.set(s[key].get(name)!);
        }
        state.steps = s.steps;
      },
    };
    return network as Partial<TrainableNetwork> as TrainableNetwork;
  };
}

/** Somewhere in [0, 1), decided by every number of the batch. */
function target(batch: Batch): number {
  let hash = 0;
  for (const input of Object.values(batch.inputs)) {
    for (const x of 'frames' in input ? input.frames : input.values) hash = (hash * 31 + x * 7919) % 1_000_003;
  }
  return hash / 1_000_003;
}
