import { type Command, Option } from 'commander';
import type { ExportRequest, ExportResult, Operations } from './operations.js';
import { finish, integer, type Runner } from './options.js';

interface Flags {
  output: string;
  input: ExportRequest['input'];
  batch: ExportRequest['batch'];
  precision: ExportRequest['precision'];
  clips?: string;
}

/** `audio2vec export`: an encoder to ONNX, with proof. */
export function addExport(program: Command, operations: Operations, run: Runner): void {
  const command = program
    .command('export')
    .summary('write an encoder as ONNX and prove that it gives the same embeddings')
    .description(
      'Writes ONNX that phones run, then runs it in ONNX Runtime against the native encoder. The measured differences ' +
        'are printed and stored in the file; if they are too large the command fails and keeps the file as *.rejected.onnx.',
    )
    .argument('[model]', 'encoder.safetensors; default: the pretrained encoder of the package')
    .option('-o, --output <file>', 'the ONNX file', 'encoder.onnx')
    .addOption(new Option('--input <kind>', 'what the graph takes').choices(['log-mel', 'waveform']).default('log-mel'))
    .option('--batch <number>', 'a fixed batch size, which phone accelerators want, or "dynamic"', batchSize, 'dynamic')
    .addOption(
      new Option('--precision <kind>', 'of weights (float16) or of all arithmetic (int8)')
        .choices(['float32', 'float16', 'int8'])
        .default('float32'),
    )
    .option('--clips <folder>', 'recordings of yours to verify with, and to calibrate int8 with');
  const examples = [
    'export run/encoder.safetensors -o encoder.onnx',
    'export run/encoder.safetensors --input waveform --batch 1 -o phone.onnx',
    'export run/encoder.safetensors --precision int8 --clips recordings/ -o small.onnx',
  ];
  finish<Flags>(command, run, examples, async (session, [model], { output, input, batch, precision, clips }) => {
    if (precision === 'int8' && clips === undefined) {
      program.error('error: --precision int8 needs --clips <folder>: recordings to calibrate with');
    }
    const request = { ...session.common, model, output, input, batch, precision, clips };
    const result = await operations.export(request, session);
    session.result(result, describe(result));
  });
}

function batchSize(text: string): number | 'dynamic' {
  return text === 'dynamic' ? text : integer(1, 65536)(text);
}

function describe({ output, bytes, parity }: ExportResult): string {
  return [
    `${output}: ${bytes.toLocaleString('en-US')} bytes`,
    `ONNX Runtime against the native encoder, ${parity.embeddings} embeddings: max abs error ` +
      `${parity.maxAbsError.toExponential(1)}, mean ${parity.meanAbsError.toExponential(1)}, cosine ${parity.meanCosine.toFixed(6)}`,
  ].join('\n');
}
