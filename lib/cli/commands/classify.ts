import type { Command } from 'commander';
import { classifierText } from '../../classify/text.js';
import type { ReadOut } from '../../models/read-out.js';
import { csvLine } from '../../util/csv.js';
import { addPcmOptions, isLive, liveInput, type PcmFlags } from '../live-input.js';
import type * as operations from '../operations/classify.js';
import type { ClassifiedSound, ListenRequest } from '../operations/classify.js';
import { finish, nonNegative, type Runner, readOutForLabels, readOutOption } from '../options.js';
import type { Session } from '../session.js';
import { addThresholdOptions, type ThresholdFlags, thresholdsOf } from '../threshold-options.js';

interface Flags extends ThresholdFlags, PcmFlags {
  fit?: string;
  output?: string;
  model?: string;
  readOut?: ReadOut;
  events?: boolean;
  all?: boolean;
  csv?: boolean;
  threshold?: number;
  smooth?: number;
}

/** `audio2vec classify`: recordings or live sound to labels. */
export function addClassify(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('classify')
    .summary('tell what recordings or live sound are; --fit makes the classifier')
    .description(
      'First --fit: labelled recordings to a classifier, in seconds; the encoder stays as it is (finetune trains it too). ' +
        'Thresholds for "none of these" and for live sound are chosen on recordings held out, and what they cost is ' +
        'measured on the test part. Then name the classifier and recordings, or - for live sound on standard input.',
    )
    .argument('[classifier]', 'what --fit or finetune wrote')
    .argument('[inputs...]', 'audio files, or folders of them; or - for PCM on standard input')
    .option('--events', 'listen through recordings as through live sound: when does what begin')
    .option('--all', 'with live sound or --events: a line for each slice instead of those where a label begins')
    .option('--csv', 'lines of CSV')
    .option('--threshold <score>', 'the least score of a label, 0 to 1 (default: as chosen)', nonNegative(1))
    .option('--smooth <seconds>', 'average live sound over so long (default: as chosen)', nonNegative(3600))
    .optionsGroup('To make a classifier:')
    .option('--fit <folder>', 'train/<label>/* and test/<label>/*, or <label>/* to be split')
    .option('-o, --output <file>', 'where the classifier goes, with its encoder: .safetensors')
    .option('--model <file>', 'encoder, or a run; default: the pretrained encoder of the package')
    .addOption(readOutOption(readOutForLabels));
  addThresholdOptions(command);
  addPcmOptions(command);
  const examples = [
    'classify --fit labelled/ -o sounds.safetensors',
    'classify --fit labelled/ --read-out layers -o sounds.safetensors',
    'classify sounds.safetensors recordings/ --csv > labels.csv',
    'classify sounds.safetensors long.flac --events',
    'classify sounds.safetensors - --rate 48000 < microphone.raw',
  ];
  finish(
    command,
    run,
    examples,
    async (session, { classify, fitClassifier, listen }, [classifier, ...inputs], flags: Flags) => {
      if (flags.fit !== undefined) {
        if (classifier !== undefined) program.error('error: with --fit, name no recordings: classify them afterwards');
        const { fit, output, model, readOut } = flags;
        if (output === undefined) program.error('error: --fit needs -o, the file that the classifier goes to');
        const request = { ...session.common, folder: fit, output, model, readOut, ...thresholdsOf(flags) };
        const made = await fitClassifier(request, session);
        session.result(made, classifierText(made.output, made));
        return;
      }
      if (classifier === undefined || inputs.length === 0) {
        program.error(
          'error: name a classifier and recordings, or make a classifier: classify --fit labelled/ -o FILE',
        );
      }
      if (flags.output !== undefined) program.error('error: results go to stdout; -o belongs to --fit');
      const { threshold, smooth: smoothSeconds, refractory: refractorySeconds } = flags;
      const rule: ListenRequest = { ...session.common, classifier, threshold, smoothSeconds, refractorySeconds };
      const print = new Printer(session, flags, inputs);
      if (isLive(command, inputs)) {
        for await (const heard of listen({ ...rule, input: liveInput(session, flags) }, session)) print.sound(heard);
      } else if (flags.events) {
        for await (const heard of listen({ ...rule, inputs }, session)) print.sound(heard);
      } else {
        for await (const sound of classify({ ...rule, inputs }, session)) print.sound(sound);
      }
    },
  );
}

/** One line for each result: columns, CSV or JSON. */
class Printer {
  #titles: boolean;

  constructor(
    private readonly session: Session,
    private readonly flags: { json?: boolean; csv?: boolean; all?: boolean },
    private readonly inputs: readonly string[],
  ) {
    this.#titles = flags.csv === true;
  }

  sound(sound: ClassifiedSound): void {
    if (sound.error) {
      const { file, error } = sound;
      // There was a warning, too.
      if (this.flags.json) this.session.line({ file, error: { code: error.code, message: error.message } });
      return;
    }
    const { file, seconds, begins, label, score, probabilities } = sound;
    if (begins === false && !this.flags.all) return;
    if (this.flags.json) {
      this.session.line({ ...sound, label: label ?? null });
      return;
    }
    const live = this.inputs[0] === '-';
    const time = seconds === undefined ? [] : [seconds];
    if (this.flags.csv) {
      const names = Object.keys(probabilities);
      const titles = [...(live ? [] : ['file']), ...(time.length ? ['seconds'] : []), 'label', 'score', ...names];
      if (this.#titles) this.session.text(csvLine(titles));
      this.#titles = false;
      this.session.text(
        csvLine([...(live ? [] : [file]), ...time, label ?? '', score, ...Object.values(probabilities)]),
      );
      return;
    }
    const columns = [...time.map((s) => s.toFixed(2)), label ?? '(none of these)', score.toFixed(2)];
    this.session.text([...(live ? [] : [file]), ...columns].join('\t'));
  }
}
