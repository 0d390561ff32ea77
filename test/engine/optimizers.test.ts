// Update rules by their formulas, one step each.
import { describe, expect, it } from 'vitest';
import { capabilities } from '../../lib/native/addon.js';
import { Random } from '../../lib/util/random.js';
import { draw, error, updateOnce } from '../helpers/native-steps.js';

const common = { rule: 'adam' as const, learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.2 };
const random = new Random('optimizers');
const [x, d] = [draw(random, 7), draw(random, 5)];
const [w, m] = [Float64Array.from(draw(random, 35)), Float64Array.from(draw(random, 35))];
const gradient = w.map((_, i) => d[Math.floor(i / 7)]! * x[i % 7]!);

describe.each(capabilities().available)('%s', (isa) => {
  it('sgd: momentum and decoupled weight decay', () => {
    const after = updateOnce(isa, { ...common, rule: 'sgd' }, w, m, x, d);
    const velocity = m.map((v, i) => 0.9 * v + gradient[i]!);
    expect(error(after.velocity, velocity)).toBeLessThan(1e-6);
    expect(
      error(
        after.weights,
        w.map((v, i) => (1 - 0.1 * 0.2) * v - 0.1 * velocity[i]!),
      ),
    ).toBeLessThan(1e-6);
  });

  it('adam, which is also what no name means', () => {
    const after = updateOnce(isa, { ...common, rule: 'adam' }, w, m, x, d);
    const first = m.map((v, i) => 0.9 * v + 0.1 * gradient[i]!);
    const second = gradient.map((g) => 0.01 * g * g);
    const step = first.map((v, i) => (0.1 * (v / (1 - 0.9))) / (Math.sqrt(second[i]! / (1 - 0.99)) + 1e-8));
    expect(error(after.velocity, first)).toBeLessThan(1e-6);
    expect(
      error(
        after.weights,
        w.map((v, i) => (1 - 0.1 * 0.2) * v - step[i]!),
      ),
    ).toBeLessThan(1e-5);
    expect(updateOnce(isa, common, w, m, x, d)).toEqual(after);
  });

  it('refuses a rule it does not have', () => {
    const adam = { ...common, rule: 'lion' as 'adam' };
    expect(() => updateOnce(isa, adam, w, m, x, d)).toThrow('lion');
  });
});
