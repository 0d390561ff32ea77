// Minimises a smooth convex function by limited-memory BFGS (Nocedal and Wright, "Numerical Optimization", 2nd ed.,
// algorithm 7.4), with a caller's preconditioner as the initial inverse Hessian.
import type { Steps } from '../util/cooperative.js';

export interface Objective {
  /** Value at `x`; fills `gradient`. */
  evaluate(x: Float64Array, gradient: Float64Array): Steps<number>;
  /** In place, direction ← (an approximation of the inverse Hessian) · direction; symmetric positive definite. */
  precondition(direction: Float64Array): void;
}

export interface Minimum {
  x: Float64Array;
  value: number;
  /** Largest absolute component of the gradient at `x`. */
  gradientNorm: number;
  iterations: number;
  /** Whether `gradientNorm` reached the tolerance. */
  converged: boolean;
}

export interface MinimiseOptions {
  /** Stop when no component of the gradient is larger. */
  tolerance: number;
  maxIterations: number;
  /** Step-gradient pairs remembered; default 10. */
  memory?: number;
}

/** The minimum near `start`, which is not changed. */
export function* minimise(objective: Objective, start: Float64Array, options: MinimiseOptions): Steps<Minimum> {
  const { tolerance, maxIterations, memory = 10 } = options;
  const n = start.length;
  let x = start.slice();
  let gradient = new Float64Array(n);
  let value = yield* objective.evaluate(x, gradient);
  let [nextX, nextGradient] = [new Float64Array(n), new Float64Array(n)];
  const direction = new Float64Array(n);
  const pairs: { s: Float64Array; y: Float64Array; rho: number }[] = [];
  const alphas: number[] = [];

  let iterations = 0;
  while (largest(gradient) > tolerance && iterations < maxIterations) {
    iterations++;
    direction.set(gradient);
    for (let p = pairs.length - 1; p >= 0; p--) {
      const { s, y, rho } = pairs[p];
      alphas[p] = rho * inner(s, direction);
      addScaled(direction, -alphas[p], y);
    }
    objective.precondition(direction);
    for (const [p, { s, y, rho }] of pairs.entries()) addScaled(direction, alphas[p] - rho * inner(y, direction), s);

    const slope = -inner(gradient, direction);
    if (!(slope < 0)) break; // rounding has eaten the descent: as low as float64 gets
    let step = 1;
    let accepted = false;
    for (let tries = 0; tries < 30 && !accepted; tries++) {
      for (let i = 0; i < n; i++) nextX[i] = x[i] - step * direction[i];
      const nextValue = yield* objective.evaluate(nextX, nextGradient);
      const nextSlope = -inner(nextGradient, direction);
      // Armijo's condition; where values no longer differ beyond rounding, its form in slopes (Hager and Zhang, 2005).
      const rounding = 1e-12 * Math.abs(value);
      accepted =
        nextValue <= value + 1e-4 * step * slope ||
        (nextValue <= value + rounding && Math.abs(nextSlope) <= 0.9 * Math.abs(slope));
      if (accepted) value = nextValue;
      else step *= shrink(step, value, slope, nextValue);
    }
    if (!accepted) break;

    const s = new Float64Array(n);
    const y = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      s[i] = nextX[i] - x[i];
      y[i] = nextGradient[i] - gradient[i];
    }
    const curvature = inner(s, y);
    if (curvature > 0) pairs.push({ s, y, rho: 1 / curvature });
    if (pairs.length > memory) pairs.shift();
    [x, nextX] = [nextX, x];
    [gradient, nextGradient] = [nextGradient, gradient];
  }
  const gradientNorm = largest(gradient);
  return { x, value, gradientNorm, iterations, converged: gradientNorm <= tolerance };
}

/** Factor on a step that went too far: the minimum of the parabola through both values and the slope, kept in
 * [0.1, 0.5]. */
function shrink(step: number, value: number, slope: number, nextValue: number): number {
  const parabola = (-slope * step) / (2 * (nextValue - value - slope * step));
  return parabola >= 0.1 ? Math.min(parabola, 0.5) : 0.1;
}

function inner(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function addScaled(a: Float64Array, scale: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i] += scale * b[i];
}

function largest(a: Float64Array): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]));
  return most;
}
