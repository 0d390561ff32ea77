// PCM on standard input, for the commands that take live audio.
import { type Command, Option } from 'commander';
import type { PcmFormat } from '../audio/pcm-stream.js';
import { integer } from './options.js';
import type { Session } from './session.js';

/** Live audio: PCM as it comes. */
export interface LiveInput extends PcmFlags {
  source: AsyncIterable<Uint8Array>;
}

export interface PcmFlags {
  rate: number;
  channels: number;
  format: PcmFormat;
}

// As in lib/audio/pcm-stream.ts, which is not loaded for `--help`.
const formats = ['u8', 's16', 's24', 's32', 'f32', 'f64'] as const satisfies PcmFormat[];

/** The flags that say what the sound on standard input is like. */
export function addPcmOptions(command: Command): Command {
  return command
    .optionsGroup('Sound on standard input (the input "-"), unless it begins with the header of a WAV file:')
    .option('--rate <Hz>', 'samples a second', integer(1000, 768_000), 16_000)
    .option('--channels <number>', 'channels, of which the mean is taken', integer(1, 1024), 1)
    .addOption(new Option('--format <format>', 'of a sample, little-endian').choices(formats).default('s16'))
    .optionsGroup('Options:');
}

/** Whether the inputs are standard input, which is taken alone. */
export function isLive(command: Command, inputs: readonly string[]): boolean {
  if (inputs.includes('-')) {
    if (inputs.length > 1) command.error('error: the input "-" (standard input) stands alone');
    return true;
  }
  const flags: (keyof PcmFlags)[] = ['rate', 'channels', 'format'];
  const given = flags.find((flag) => command.getOptionValueSource(flag) === 'cli');
  if (given)
    command.error(`error: --${given} says what standard input is like: leave it out, as files say it themselves`);
  return false;
}

export function liveInput(session: Session, { rate, channels, format }: PcmFlags): LiveInput {
  return { source: stdin(session), rate, channels, format };
}

/** Standard input; that nothing came of it is told. */
async function* stdin(session: Session): AsyncIterable<Uint8Array> {
  let bytes = 0;
  for await (const chunk of session.stdin) {
    bytes += chunk.length;
    yield chunk;
  }
  if (bytes === 0) session.warn('There was no sound on the standard input.');
}
