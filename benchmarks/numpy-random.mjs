// The draws of numpy's default generator (SeedSequence and PCG64 XSL-RR 128/64), so that a measure here looks at the very
// samples that the same measure in Python looks at.

const [low32, low64, low128] = [32n, 64n, 128n].map((bits) => (1n << bits) - 1n);
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/** 256 bits out of a seed below 2^32, as numpy's SeedSequence mixes them. */
function seedBits(seed) {
  let constant = 0x43b0d7e5;
  const hashed = (value) => {
    let v = (value ^ constant) >>> 0;
    constant = Math.imul(constant, 0x931e8875) >>> 0;
    v = Math.imul(v, constant) >>> 0;
    return (v ^ (v >>> 16)) >>> 0;
  };
  const mixed = (x, y) => {
    const v = (Math.imul(x, 0xca01f9dd) - Math.imul(y, 0x4973f715)) >>> 0;
    return (v ^ (v >>> 16)) >>> 0;
  };
  const pool = [seed, 0, 0, 0].map(hashed);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]));
  }
  constant = 0x8b51f9dd;
  return Array.from({ length: 8 }, (_, i) => {
    let v = (pool[i % 4] ^ constant) >>> 0;
    constant = Math.imul(constant, 0x58f38ded) >>> 0;
    v = Math.imul(v, constant) >>> 0;
    return BigInt((v ^ (v >>> 16)) >>> 0);
  });
}

/** `numpy.random.default_rng(seed)`. */
export class NumpyRandom {
  #state;
  #increment;
  /** The upper half of the last 64 bits, if it is still to be used. */
  #half;

  constructor(seed) {
    const w = seedBits(seed);
    const [state, sequence] = [0, 4].map((i) => {
      return (((w[i + 1] << 32n) | w[i]) << 64n) | (w[i + 3] << 32n) | w[i + 2];
    });
    this.#increment = ((sequence << 1n) | 1n) & low128;
    this.#state = (this.#increment + state) & low128;
    this.#step();
  }

  #step() {
    this.#state = (this.#state * MULTIPLIER + this.#increment) & low128;
  }

  #bits32() {
    if (this.#half !== undefined) {
      const half = this.#half;
      this.#half = undefined;
      return half;
    }
    this.#step();
    const both = (this.#state >> 64n) ^ (this.#state & low64);
    const turn = this.#state >> 122n;
    const bits = ((both >> turn) | (both << (64n - turn))) & low64;
    this.#half = bits >> 32n;
    return bits & low32;
  }

  /** `choice(list)`: an index by Lemire's method. */
  choice(list) {
    if (list.length === 1) return list[0];
    const count = BigInt(list.length);
    const threshold = (1n << 32n) % count;
    let product = this.#bits32() * count;
    while ((product & low32) < threshold) product = this.#bits32() * count;
    return list[Number(product >> 32n)];
  }

  /** `permutation(count)`: Fisher and Yates, indices by masks and rejection. */
  permutation(count) {
    const order = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const mask = (1n << BigInt(i.toString(2).length)) - 1n;
      let j = i + 1;
      while (j > i) j = Number(this.#bits32() & mask);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
