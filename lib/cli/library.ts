// The real operations behind the commands. Each loads what it needs when it is called: `--help` must work where the
// addon does not, and start at once.
import { Audio2VecError } from '../errors.js';
import type { Operations } from './operations.js';

export const operations: Operations = {
  async capabilities() {
    const { capabilities } = await import('../native.js');
    return capabilities();
  },

  async info({ model, nodes }) {
    const { loadEncoderModel, encoderGraph } = await import('../model/encoder-model.js');
    const { layerTable } = await import('../model/table.js');
    const { config, frontEnd, provenance } = await loadEncoderModel(model);
    const layers = layerTable(encoderGraph(config).graph.nodes, nodes ? 'node' : 'block');
    return { file: model, encoder: config, frontEnd: { ...frontEnd }, provenance, layers };
  },

  async features(request, during) {
    const { writeFeatures } = await import('./recordings.js');
    return writeFeatures(request, during);
  },

  async *embed(request, during) {
    const { embedFiles } = await import('./recordings.js');
    yield* embedFiles(request, during);
  },

  // The stages below land from other branches; each is replaced by its call when they merge.
  pretrain: () => absent('pretrain'),
  evaluate: () => absent('evaluate'),
  export: () => absent('export'),
  report: () => absent('report'),
  demo: () => absent('demo'),

  async bench({ filter, quick }, during) {
    const { caseName, chooseCases, describeMachine, machineLine, resultsTable, runCase } = await import(
      '../bench/index.js'
    );
    const cases = chooseCases({ quick, cases: filter === undefined ? [] : [filter] });
    const results = [];
    for (const [done, bench] of cases.entries()) {
      during.progress({ done, total: cases.length, unit: 'case', details: { now: caseName(bench) } });
      results.push(...(await runCase(bench, { quick, signal: during.signal })));
    }
    const machine = describeMachine();
    return { text: `${machineLine(machine)}\n\n${resultsTable(results, 'text')}`, data: { machine, results } };
  },
};

function absent(command: string): never {
  throw new Audio2VecError('ERR_ARGUMENT', `This build does not have "${command}" yet.`);
}
