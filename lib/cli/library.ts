// The real operations behind the commands. Each loads what it needs when it is called: `--help` must work where the
// addon does not, and start at once.
import type { Operations } from './operations.js';

export const operations: Operations = {
  async capabilities() {
    const { capabilities } = await import('../native/addon.js');
    return capabilities();
  },

  async info({ model, nodes }) {
    const { loadEncoderModel, encoderGraph } = await import('../models/encoder-model.js');
    const { layerTable } = await import('../graph/layer-table.js');
    const { modelFile } = await import('./library/models.js');
    const file = await modelFile(model);
    const { config, frontEnd, provenance } = await loadEncoderModel(file);
    const layers = layerTable(encoderGraph(config).graph.nodes, nodes ? 'node' : 'block');
    return { file, encoder: config, frontEnd: { ...frontEnd }, provenance, layers };
  },

  async features(request, during) {
    const { writeFeatures } = await import('./library/recordings.js');
    return writeFeatures(request, during);
  },

  async pretrain(request, during, onStep) {
    const { pretrain } = await import('./library/pretrain.js');
    return pretrain(request, during, onStep);
  },

  async train(request, during, onStep) {
    const { train } = await import('./library/train.js');
    return train(request, during, onStep);
  },

  async *embed(request, during) {
    const { embedFiles } = await import('./library/recordings.js');
    yield* embedFiles(request, during);
  },

  async *codes(request, during) {
    const { codeFiles } = await import('./library/codes.js');
    yield* codeFiles(request, during);
  },

  async evaluate(request, during) {
    const { evaluate } = await import('./library/evaluate.js');
    return evaluate(request, during);
  },

  async weigh(request, during) {
    const { weigh } = await import('./library/weigh.js');
    return weigh(request, during);
  },

  async export(request, during) {
    const { exportModel } = await import('./library/export.js');
    return exportModel(request, during);
  },

  async synthesize(request, during) {
    const { synthesize } = await import('./library/synthesis.js');
    return synthesize(request, during);
  },

  async processParameters(process) {
    const { processParameters } = await import('./library/synthesis.js');
    return processParameters(process);
  },

  async report(request, during) {
    const { report } = await import('./library/report.js');
    return report(request, during);
  },

  async demo(request, during) {
    const { demo } = await import('./library/demo.js');
    return demo(request, during);
  },

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
