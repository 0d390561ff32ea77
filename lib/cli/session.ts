// What every command gets: where to print, how to show progress, when to stop.
import { once } from 'node:events';
import { addAbortSignal, Readable } from 'node:stream';
import { SingleBar } from 'cli-progress';

/** Where a command prints. In tests these are buffers. */
export interface Io {
  stdout: NodeJS.WritableStream;
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  env: NodeJS.ProcessEnv;
  stdin?: Readable;
}

/** Options that all commands share. */
export interface CommonOptions {
  json?: boolean;
  quiet?: boolean;
  seed: number;
  threads?: number;
}

/** What an operation gets of them. */
export interface Common {
  seed: number;
  threads?: number;
}

/** How far something is. `total` may become known, or change, on the way. */
export interface Progress {
  done: number;
  /** Of the one at hand, 0 to 1. */
  share?: number;
  total?: number;
  /** What is counted, e.g. `step` or `file`. */
  unit: string;
  /** Shown as they are: `{ loss: '0.412', speed: '31 steps/s' }`. */
  details?: Record<string, string>;
  secondsLeft?: number;
}

/** One run of one command. Results go to stdout; everything for the eyes only goes to stderr. */
export class Session {
  /** Said when the user interrupts the command: how to go on. */
  onInterrupt?: string;
  private silent = false;
  private bar?: SingleBar;
  private lastLine = Number.NEGATIVE_INFINITY;
  private lastUnit = '';

  constructor(
    private readonly io: Io,
    private readonly options: CommonOptions,
    readonly signal: AbortSignal,
  ) {}

  /** The shared options that operations take. */
  get common(): Common {
    return { seed: this.options.seed, threads: this.options.threads };
  }

  /** From here on nothing is printed: another process tells the same. */
  silence(): void {
    this.clearBar();
    this.silent = true;
  }

  get isSilent(): boolean {
    return this.silent;
  }

  /** Standard input, until it ends or the command is to stop. */
  get stdin(): Readable {
    return addAbortSignal(this.signal, this.io.stdin ?? Readable.from([]));
  }

  /** The command's result: `value` with `--json`, otherwise `text`. */
  result(value: unknown, text: string): void {
    this.clearBar();
    if (this.silent) return;
    this.io.stdout.write(this.options.json ? `${JSON.stringify(value, null, 2)}\n` : text === '' ? '' : `${text}\n`);
  }

  /** Whether results are wanted as JSON. */
  get json(): boolean {
    return this.options.json ?? false;
  }

  /** One of many results as a line of JSON, as soon as it is there. */
  line(value: unknown): void {
    this.clearBar();
    this.io.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** One of many results as it is, such as a line of CSV. */
  text(line: string): void {
    this.clearBar();
    this.io.stdout.write(`${line}\n`);
  }

  /** A result in parts, its end of the line included; each is written before the next is asked for. */
  async parts(parts: Iterable<string>): Promise<void> {
    this.clearBar();
    const { stdout } = this.io;
    for (const part of parts) if (!stdout.write(part)) await once(stdout, 'drain', { signal: this.signal });
  }

  /** Something to know that is not the result. Silent with `--quiet`. */
  note(text: string): void {
    if (this.options.quiet || this.silent) return;
    this.clearBar();
    this.io.stderr.write(`${text}\n`);
  }

  /** Something that went wrong without ending the command, such as a file that cannot be read. Never silent. */
  warn(text: string): void {
    if (this.silent) return;
    this.clearBar();
    this.io.stderr.write(`warning: ${text}\n`);
  }

  /** Shows progress: a bar on a terminal; in a log a line at first, every ten seconds and at the end. */
  progress(p: Progress): void {
    if (this.options.quiet || this.silent) return;
    if (this.io.stderr.isTTY) this.drawBar(p);
    else this.logLine(p);
  }

  /** Removes the bar so that text can follow. */
  clearBar(): void {
    this.bar?.stop();
    this.bar = undefined;
  }

  private drawBar(p: Progress): void {
    const total = p.total ?? Math.max(1, p.done);
    const payload = { text: describe(p) };
    const done = p.done + (p.share ?? 0);
    if (!this.bar) {
      this.bar = new SingleBar({
        format: '{bar} {percentage}%  {text}',
        barsize: 24,
        barCompleteChar: '━',
        barIncompleteChar: '─',
        hideCursor: true,
        clearOnComplete: true,
        // Ctrl-C is ours: the command saves first.
        gracefulExit: false,
        stream: this.io.stderr as NodeJS.WriteStream,
      });
      this.bar.start(total, done, payload);
    }
    this.bar.setTotal(total);
    this.bar.update(done, payload);
    if (p.done === p.total) this.clearBar();
  }

  private logLine(p: Progress): void {
    const now = performance.now();
    if (now - this.lastLine < 10_000 && p.unit === this.lastUnit && p.done !== p.total) return;
    this.lastLine = now;
    this.lastUnit = p.unit;
    this.io.stderr.write(`${describe(p)}\n`);
  }
}

/** What an operation tells while it works, and when it must stop. */
export type During = Pick<Session, 'signal' | 'progress' | 'note' | 'warn' | 'silence'>;

/** `step 120/5000  loss 0.41  31 steps/s  2:36 left`. */
function describe({ done, total, unit, details = {}, secondsLeft }: Progress): string {
  const parts = [`${unit} ${done}${total === undefined ? '' : `/${total}`}`];
  for (const [key, value] of Object.entries(details)) parts.push(key === 'speed' ? value : `${key} ${value}`);
  if (secondsLeft !== undefined && done !== total) parts.push(`${clock(secondsLeft)} left`);
  return parts.join('  ');
}

/** 156 → `2:36`, 3723 → `1:02:03`. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60)];
  return hours ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}
