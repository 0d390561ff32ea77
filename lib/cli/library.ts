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
    const { pretrainedFile } = await import('../embed/encoder.js');
    const file = model === undefined ? pretrainedFile : await modelFile(model);
    const { config, frontEnd, provenance } = await loadEncoderModel(file);
    const layers = layerTable(encoderGraph(config).graph.nodes, nodes ? 'node' : 'block');
    return { file, encoder: config, frontEnd: { ...frontEnd }, provenance, layers };
  },

  async trainable() {
    const { tasks } = await import('../systems/audio2vec/tasks/index.js');
    const { systems } = await import('../systems/systems.js');
    const { defaultEncoder } = await import('../models/blocks.js');
    return {
      tasks: tasks.map((task) => {
        const options = { ...(task.defaults(defaultEncoder.frames) as Record<string, number>) };
        return { name: task.name, summary: task.summary, options };
      }),
      systems: systems.map(({ name, summary }) => ({ name, summary })),
    };
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

  async *pitch(request, during) {
    const { pitchOfFiles } = await import('./library/pitch.js');
    yield* pitchOfFiles(request, during);
  },

  async plotPitch(files, output) {
    const { pitchPage } = await import('../report/pitch-plot.js');
    const { writeFileAtomic } = await import('../util/atomic-write.js');
    const plots = files.map(({ file, frames, picture }) => ({ file, frames, ...picture! }));
    await writeFileAtomic(output, pitchPage(plots));
  },

  async *codes(request, during) {
    const { codeFiles } = await import('./library/codes.js');
    yield* codeFiles(request, during);
  },

  async *embedLive({ model, hopSeconds, input }, { signal }) {
    const { chosenEncoder } = await import('./library/models.js');
    const encoder = await chosenEncoder(model, 1); // streams work on one thread
    const { source, ...pcm } = input;
    yield* encoder.live(source, { ...pcm, hopSeconds, signal, name: 'standard input' });
  },

  async fitClassifier(request, during) {
    const { fitClassifier } = await import('./library/classify.js');
    return fitClassifier(request, during);
  },

  async finetune(request, during, onStep) {
    const { finetune } = await import('./library/classify.js');
    return finetune(request, during, onStep);
  },

  async *classify(request, during) {
    const { classify } = await import('./library/classify.js');
    yield* classify(request, during);
  },

  async *listen(request, during) {
    const { listen } = await import('./library/classify.js');
    yield* listen(request, during);
  },

  async suggest(request, during) {
    const { suggest } = await import('./library/suggest.js');
    return suggest(request, during);
  },

  async evaluate(request, during) {
    const { evaluate } = await import('./library/evaluate.js');
    return evaluate(request, during);
  },

  async weigh(request, during) {
    const { weigh } = await import('./library/weigh.js');
    return weigh(request, during);
  },

  async compare(request, during) {
    const { compare } = await import('./library/compare.js');
    return compare(request, during);
  },

  async export(request, during) {
    const { exportModel } = await import('./library/export.js');
    return exportModel(request, during);
  },

  async synthesize(request, during) {
    const { synthesize } = await import('./library/synthesis.js');
    return synthesize(request, during);
  },

  async articulate(request, during, onLine) {
    const { articulate } = await import('./library/articulation.js');
    return articulate(request, during, onLine);
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
    const bench = await import('../bench/index.js');
    const { caseName, chooseCases, describeMachine, machineLine, resultsTable, runCase } = bench;
    const cases = chooseCases({ quick, cases: filter === undefined ? [] : [filter] });
    const results = [];
    for (const [done, one] of cases.entries()) {
      during.progress({ done, total: cases.length, unit: 'case', details: { now: caseName(one) } });
      results.push(...(await runCase(one, { quick, signal: during.signal })));
    }
    const machine = describeMachine();
    const summary = bench.sentences(results);
    const text = [
      machineLine(machine),
      ...(summary.length > 0 ? [summary.join('\n')] : []),
      resultsTable(results, 'text'),
      `The cases:\n${bench.explained(results)}`,
    ];
    return { text: text.join('\n\n'), data: { machine, summary, results } };
  },
};
