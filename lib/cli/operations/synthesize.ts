import { writeWav } from '../../audio/write-wav.js';
import { controlsFrom, type ForwardProcess } from '../../systems/articulation/forward-process.js';
import { readParameterFile } from '../../systems/articulation/parameter-file.js';
import type { Parameter } from '../../systems/articulation/parameters.js';
import { forwardProcesses } from '../../systems/articulation/processes.js';
import { argumentError } from '../../util/errors.js';
import type { Common, During } from '../session.js';

export interface SynthesizeRequest extends Common {
  /** A .json, .jsonl or .npy file of parameters; default: none but `set`. */
  parameters?: string;
  /** Values by name that hold throughout; they override the file's. */
  set: Record<string, number>;
  process: string;
  output: string;
  hopSeconds: number;
  /** Default: as long as the frames last. */
  seconds?: number;
  /** Scale the sound so that its largest sample is this; default: as it is, unless that would clip. */
  peak?: number;
}

export interface SynthesizeResult {
  output: string;
  process: string;
  seconds: number;
  sampleRate: number;
  frames: number;
  /** Of the sound as computed. */
  peak: number;
  /** By which it was multiplied in the file. */
  gain: number;
}

export interface ParameterList {
  process: string;
  parameters: (Parameter & { per: 'frame' | 'utterance' })[];
}

/** Named parameters through a forward process into a WAV file. */
export async function synthesize(request: SynthesizeRequest, during: During): Promise<SynthesizeResult> {
  const { output, set, hopSeconds, seconds, seed, threads } = request;
  const { sampleRate } = processNamed(request.process, {});
  const process = processNamed(request.process, { hop: Math.max(1, Math.round(hopSeconds * sampleRate)) });
  const file = request.parameters;
  const values = { ...(file === undefined ? {} : await readParameterFile(file, process)), ...set };
  const samples = seconds === undefined ? undefined : Math.round(seconds * sampleRate);
  const controls = controlsFrom(process, values, { samples, seed });
  const [sound] = (await process.synthesize([controls], { signal: during.signal, threads })) as [Float32Array];
  const peak = sound.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const gain = gainFor(peak, request.peak, during);
  if (gain !== 1) for (let i = 0; i < sound.length; i++) sound[i]! *= gain;
  await writeWav(output, sound, sampleRate);
  const frames = controls.frames.length / process.frameParameters.length;
  return { output, process: process.name, seconds: sound.length / sampleRate, sampleRate, frames, peak, gain };
}

function gainFor(peak: number, wanted: number | undefined, during: During): number {
  if (peak === 0) {
    during.note('The sound is silent: check voicing, aspiration and frication.');
    return 1;
  }
  if (wanted !== undefined) return wanted / peak;
  if (peak <= 1) return 1;
  during.note(`The loudest sample is ${peak.toPrecision(3)}: scaled down to 0.99. Choose a level with --peak.`);
  return 0.99 / peak;
}

/** What a forward process can be told. */
export async function processParameters(name: string): Promise<ParameterList> {
  const { frameParameters, utteranceParameters } = processNamed(name, {});
  const list = [
    ...frameParameters.map((p) => ({ ...p, per: 'frame' as const })),
    ...utteranceParameters.map((p) => ({ ...p, per: 'utterance' as const })),
  ];
  return { process: name, parameters: list };
}

function processNamed(name: string, options: { hop?: number }): ForwardProcess {
  if (!Object.hasOwn(forwardProcesses, name)) {
    throw argumentError('process', `one of ${Object.keys(forwardProcesses).join(', ')}`, name);
  }
  return forwardProcesses[name]!(options);
}
