// Names of values in a file: each once.

export class UniqueNames {
  private readonly taken = new Set<string>();

  /** This name, or if it is taken the first of `name.2`, `name.3` … that is not. */
  take(name: string): string {
    let free = name;
    for (let i = 2; this.taken.has(free); i++) free = `${name}.${i}`;
    this.taken.add(free);
    return free;
  }

  release(name: string): void {
    this.taken.delete(name);
  }
}
