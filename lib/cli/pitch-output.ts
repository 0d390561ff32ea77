// Where `audio2vec pitch` writes: rows as they become known, so that an hour takes no more memory than a minute.
import { dirname, join } from 'node:path';
import type { PitchPlot } from '../report/pitch-plot.js';
import { HeldTrack } from '../systems/pitch/held-track.js';
import type { PitchFrame } from '../systems/pitch/track.js';
import { AtomicFile } from '../util/atomic-write.js';
import { noteName } from '../util/notes.js';
import { NpyRows } from '../util/npy.js';
import { failure, jsonLine, Lines } from './lines.js';
import type { PitchFailure, PitchPiece } from './operations/pitch.js';
import { makeFolder } from './output.js';
import type { Session } from './session.js';

export interface PitchOutputOptions {
  /** A file of one recording, a .jsonl of all, or a folder; default: stdout. */
  output?: string;
  folder: boolean;
  format?: 'csv' | 'npy';
  notes: boolean;
  /** Whether what a plot needs is held. */
  plot: boolean;
}

/** Takes pieces of recordings. Rows of a .csv, a .npy and stdout are written at once; a line of JSON holds the numbers of its
 * recording, a plot those of all. Files appear when they are whole: after {@link commit}, not after {@link discard}. */
export class PitchOutput {
  readonly plots: PitchPlot[] = [];
  good = 0;
  bad = 0;
  /** Of the recording at hand. */
  #file: TrackFile | undefined;
  #held: HeldTrack | undefined;
  readonly #lines: Lines;
  #titled = false;

  constructor(
    private readonly session: Session,
    private readonly options: PitchOutputOptions,
  ) {
    this.#lines = new Lines(session, options.output);
  }

  async take(piece: PitchPiece | PitchFailure): Promise<void> {
    const { output, folder, notes, plot } = this.options;
    const lines = output === undefined ? piece.total > 1 || this.session.json : !folder && /\.jsonl$/i.test(output);
    if (piece.error) {
      await this.#file?.discard();
      [this.#file, this.#held] = [undefined, undefined];
      this.bad++;
      if (lines) await this.#lines.write(jsonLine(failure(piece)));
      return;
    }
    const { frames, file } = piece;
    if (lines || plot) {
      this.#held ??= new HeldTrack();
      this.#held.push(frames);
    }
    if (output === undefined && !lines) this.#print(frames);
    else if (!lines) {
      this.#file ??= await openTrack(this.#pathOf(piece), notes);
      await this.#file.take(frames);
    }
    if (!piece.end) return;
    await this.#file?.commit();
    if (lines) await this.#lines.write(jsonLine({ file }, columnsOf(this.#held!, notes)));
    if (piece.picture) this.plots.push({ file, frames: this.#held!, ...piece.picture });
    [this.#file, this.#held] = [undefined, undefined];
    this.good++;
  }

  commit(): Promise<void> {
    return this.#lines.commit();
  }

  /** Removes what is not whole. */
  async discard(): Promise<void> {
    await this.#file?.discard();
    await this.#lines.discard();
  }

  #pathOf({ name }: PitchPiece): string {
    const { output, folder, format = 'csv' } = this.options;
    return folder ? join(output!, `${name}.f0.${format}`) : output!;
  }

  #print(frames: readonly PitchFrame[]): void {
    const { notes } = this.options;
    if (!this.#titled) this.session.text(csvTitles(notes));
    this.#titled = true;
    if (frames.length > 0) this.session.text(frames.map((frame) => csvRow(frame, notes)).join('\n'));
  }
}

/** The file of one recording. */
interface TrackFile {
  take(frames: readonly PitchFrame[]): Promise<void>;
  commit(): Promise<void>;
  discard(): Promise<void>;
}

/** A .csv or .npy `[frames, 4]` of one recording; folders are made. */
async function openTrack(file: string, notes: boolean): Promise<TrackFile> {
  await makeFolder(dirname(file));
  if (/\.npy$/i.test(file)) {
    const rows = await NpyRows.open(file, 4);
    const values = (frames: readonly PitchFrame[]) =>
      Float32Array.from(frames.flatMap((f) => [f.time, f.hz, f.confidence, f.voiced ? 1 : 0]));
    return {
      take: (frames) => rows.write(values(frames)),
      commit: () => rows.commit(),
      discard: () => rows.discard(),
    };
  }
  const out = await AtomicFile.open(file);
  await out.write(`${csvTitles(notes)}\n`);
  return {
    take: (frames) => out.write(frames.map((frame) => `${csvRow(frame, notes)}\n`).join('')),
    commit: () => out.commit(),
    discard: () => out.discard(),
  };
}

function csvTitles(notes: boolean): string {
  return `time,hz,confidence,voiced${notes ? ',note,cents' : ''}`;
}

function csvRow({ time, hz, confidence, voiced }: PitchFrame, notes: boolean): string {
  const note = notes ? `,${noteOf(hz, voiced)}` : '';
  return `${round(time, 4)},${round(hz, 3)},${round(confidence, 4)},${voiced ? 1 : 0}${note}`;
}

function noteOf(hz: number, voiced: boolean): string {
  if (!voiced) return ',';
  const { note, cents } = noteName(hz);
  return `${note},${Math.round(cents)}`;
}

/** Lists of a line of JSON. Each kind of value stands together, so the line begins when all frames are known. */
function columnsOf(track: HeldTrack, notes: boolean): Record<string, Iterable<unknown>> {
  return {
    t: track.map((f) => round(f.time, 4)),
    hz: track.map((f) => round(f.hz, 3)),
    confidence: track.map((f) => round(f.confidence, 4)),
    voiced: track.map((f) => (f.voiced ? 1 : 0)),
    ...(notes && {
      note: track.map((f) => (f.voiced ? noteName(f.hz).note : null)),
      cents: track.map((f) => (f.voiced ? Math.round(noteName(f.hz).cents) : null)),
    }),
  };
}

function round(x: number, digits: number): number {
  return Number(x.toFixed(digits));
}
