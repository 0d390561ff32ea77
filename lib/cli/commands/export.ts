import { extname } from 'node:path';
import { type Command, Option } from 'commander';
import type { ReadOut } from '../../models/read-out.js';
import type * as operations from '../operations/export.js';
import type { ExportRequest, ExportResult } from '../operations/export.js';
import { finish, integer, type Runner, readOutOption } from '../options.js';

interface Flags {
  readOut?: ReadOut;
  output?: string;
  format?: Format;
  input: ExportRequest['input'];
  samples: ExportRequest['samples'];
  batch: ExportRequest['batch'];
  precision: ExportRequest['precision'];
  clips?: string;
  labels?: string;
}

const formats = ['onnx', 'ort', 'tflite', 'safetensors'] as const;
type Format = (typeof formats)[number];

/** `audio2vec export`: a model to the files of other runtimes, with their parity checked. */
export function addExport(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('export')
    .summary('write a model for phones and browsers, and check that it gives the same values')
    .description(
      'Writes ONNX (or .ort, or .tflite for LiteRT; an encoder also as .safetensors with 8-bit weights for this ' +
        'package), then runs it there against the native engine. The measured differences are printed and stored in the file; if they are too large the command fails and keeps the file ' +
        'under another name, *.rejected.*.',
    )
    .argument('[model]', 'a model file, or a run; default: the pretrained encoder of the package')
    .option('-o, --output <file>', 'a .onnx, .ort, .tflite or .safetensors file (default: encoder.onnx)')
    .addOption(readOutOption())
    .addOption(new Option('--format <kind>', 'where --output does not tell').choices(formats))
    .addOption(
      new Option('--input <kind>', 'what the file takes: features (of an encoder log-mel), or a waveform')
        .choices(['features', 'log-mel', 'waveform'])
        .default('features'),
    )
    .addOption(
      new Option('--samples <kind>', 'of a waveform: exactly a slice, or any number in one row')
        .choices(['slice', 'any'])
        .default('slice'),
    )
    .option('--batch <number>', 'a fixed batch size, which phone accelerators want, or "dynamic"', batchSize, 'dynamic')
    .addOption(
      new Option(
        '--precision <kind>',
        'of weights (float16) or of all arithmetic (int8: not of codes and pitch; in .safetensors of weights)',
      )
        .choices(['float32', 'float16', 'int8'])
        .default('float32'),
    )
    .option(
      '--clips <folder>',
      "recordings to verify with, and to calibrate int8 with (default: the corpus of the model's run)",
    )
    .option(
      '--labels <folder>',
      'append a classifier to an encoder, fitted on train/<label>/*: an output "probabilities"',
    );
  const examples = [
    'export run -o encoder.onnx',
    'export run --input waveform --batch 1 -o phone.onnx',
    'export run --precision int8 --clips recordings/ -o small.tflite',
    'export run --precision int8 -o small.safetensors',
    'export --labels labelled/ --input waveform --samples any -o classifier.onnx',
  ];
  finish(command, run, examples, async (session, { exportModel }, [model], flags: Flags) => {
    const { output = `encoder.${flags.format ?? 'onnx'}`, format, ...choices } = flags;
    const ending = extname(output).slice(1);
    if (!formats.includes(ending as Format) || (format !== undefined && ending !== format)) {
      const wanted = format === undefined ? formats.map((f) => `.${f}`).join(', ') : `.${format}`;
      program.error(`error: --output must end in ${wanted}, got ${JSON.stringify(output)}`);
    }
    const { readOut, input, samples, batch, precision, clips, labels } = choices;
    const request = { ...session.common, model, readOut, output, input, samples, batch, precision, clips, labels };
    const result = await exportModel(request, session);
    session.result(result, describe(result));
  });
}

function batchSize(text: string): number | 'dynamic' {
  return text === 'dynamic' ? text : integer(1, 65536)(text);
}

function describe({ output, bytes, comparedOn, parity }: ExportResult): string {
  const size = `${output}: ${bytes.toLocaleString('en-US')} bytes`;
  if ('outputs' in parity) {
    const lines = Object.entries(parity.outputs).map(
      ([name, { examples, maxAbsError, relativeError, agreement }]) =>
        `${name}: ${examples} examples, max abs error ${maxAbsError.toExponential(1)}, ` +
        `relative ${relativeError.toExponential(1)}, ${(100 * agreement).toFixed(2)} % round alike`,
    );
    return [size, `${parity.runtime} against the native engine (${comparedOn})`, ...lines].join('\n');
  }
  const { runtime, embeddings, maxAbsError, meanAbsError, meanCosine, minCosine, maxProbabilityError } = parity;
  return [
    size,
    `${runtime} against the native encoder, ${embeddings} embeddings (${comparedOn}): max abs error ` +
      `${maxAbsError.toExponential(1)}, mean ${meanAbsError.toExponential(1)}, ` +
      `cosine ${meanCosine.toFixed(6)} (at least ${minCosine.toFixed(6)})`,
    ...(maxProbabilityError === undefined
      ? []
      : [`probabilities: max abs error ${maxProbabilityError.toExponential(1)}`]),
  ].join('\n');
}
