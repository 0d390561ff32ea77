// A perceptual metric after CDPAM (Manocha et al., ICASSP 2021, arXiv 2102.05109), learnt from recordings without labels:
// they are distorted while training, in ways of which is known what is worse and about how likely each is heard.
import { join } from 'node:path';
import type { Batch } from '../../engine/network.js';
import type { FeatureStore } from '../../features/feature-store.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import { ClipDraw } from '../clip-draw.js';
import type { Results } from '../results.js';
import { type RunConfig, type RunOptions, runConfig } from '../run-config.js';
import { splitClips } from '../split.js';
import type { System, Training } from '../system.js';
import { calibrate, type Judged } from './calibrate.js';
import { description } from './description.js';
import { type FamilyName, families } from './distortions.js';
import { type Clips, Examples, SAMPLES } from './examples.js';
import { narrow } from './front-end.js';
import { metricFile, saveMetricModel } from './metric-model.js';
import { defaultConfig, type MetricConfig, parametersOf } from './network.js';
import { CALIBRATION, compared, initialWeights, stageWeights, trainingGraph } from './training-graph.js';

export interface MetricTrainingOptions extends RunOptions {
  /** Kinds of distortion to learn from, with commas between them. Default: all but `packet-loss` and `hold`. */
  families?: string;
  /** Share of the run that comes before distances are learnt. Default 0.1. */
  contrastiveShare?: number;
}

export interface MetricTrainingConfig extends RunConfig {
  families: FamilyName[];
  contrastiveShare: number;
  network: MetricConfig;
}

/** Not among the default families: kept for judging what the metric makes of the unknown. */
const KEPT_BACK: readonly FamilyName[] = ['packet-loss', 'hold'];
const HELD_OUT = 0.05;
const HELD_OUT_BATCHES = 6;
/** Share of the run after which triplets are ranked, too. */
const RANKING_SHARE = 0.3;

export const metricSystem: System<MetricTrainingOptions, MetricTrainingConfig> = {
  ...description,
  configure(options) {
    const { contrastiveShare = 0.1 } = options;
    if (!(contrastiveShare >= 0 && contrastiveShare < 1)) {
      throw argumentError('contrastiveShare', 'from 0 to below 1', contrastiveShare);
    }
    const config = runConfig(options, description.runDefaults, Object.keys(description.options));
    if (config.batchSize < 2) throw argumentError('batchSize', 'at least 2: sounds are told apart', config.batchSize);
    return { ...config, contrastiveShare, families: familyNames(options.families), network: defaultConfig };
  },
  features: () => ({ frontEnd: { kind: 'pcm', sampleRate: narrow.sampleRate, hop: narrow.hop } }),
  prepare(config, { store }) {
    const span = SAMPLES / narrow.hop;
    const split = splitClips(store.clipStarts, span, HELD_OUT, config.seed);
    const examples = (clips: Int32Array, label: string) =>
      new Examples(clipsOf(store, clips, span, label), { ...config, label });
    const train = examples(split.train, 'train');
    const heldOut = examples(split.heldOut, 'held-out');
    return prepared(config, train, heldOut);
  },
};

async function prepared(config: MetricTrainingConfig, train: Examples, heldOut: Examples): Promise<Training> {
  const graph = trainingGraph(config.network, config.families.length);
  const batches: Batch[] = [];
  for (let i = 0; i < HELD_OUT_BATCHES; i++) batches.push(await heldOut.batch(i));
  return {
    graph,
    initial: initialWeights(graph, config.seed),
    heldOut: batches,
    async batch(step, steps) {
      return { ...(await train.batch(step)), scalars: stage(config, steps === undefined ? 0 : step / steps) };
    },
    async finish(network, { out, provenance }) {
      const weights = network.getState().params;
      const judged: Judged & { order: number[]; clear: number[]; silent: number[] } = await judge(network, batches);
      const value = (name: string) => weights.get(`${CALIBRATION}.${name}`)![0]!;
      const calibration = calibrate(judged, { slope: Math.max(value('weight'), 0.1), offset: value('bias') });
      await saveMetricModel(join(out, metricFile), {
        config: config.network,
        weights: new Map(parametersOf(config.network).map(({ name }) => [name, Float32Array.from(weights.get(name)!)])),
        calibration,
        provenance,
      });
      return { model: metricFile, results: resultsOf(judged) };
    },
  };
}

/** The stages: first what belongs together, then what is heard, then also what is worse. */
function stage({ contrastiveShare }: MetricTrainingConfig, done: number): Record<string, number> {
  return {
    [stageWeights.contrastive]: done < contrastiveShare ? 1 : 0.5,
    [stageWeights.heard]: done < contrastiveShare ? 0 : 1,
    [stageWeights.ranking]: done < Math.max(RANKING_SHARE, contrastiveShare) ? 0 : 0.5,
  };
}

function familyNames(given: string | undefined): FamilyName[] {
  const all = Object.keys(families) as FamilyName[];
  if (given === undefined) return all.filter((name) => !KEPT_BACK.includes(name));
  const names = given.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !all.includes(name as FamilyName));
  if (unknown !== undefined) throw argumentError('families', `among ${all.join(', ')}`, unknown);
  if (new Set(names).size < 2) throw argumentError('families', 'at least two kinds of distortion', given);
  return [...new Set(names)] as FamilyName[];
}

function clipsOf(store: FeatureStore, clips: Int32Array, span: number, label: string): Clips {
  const draw = new ClipDraw(store.clipStarts, clips, span, `The metric's ${label} examples`);
  return {
    draw(random) {
      const { start, frames } = draw.clip(draw.draw(random));
      return store.read(start + random.int(frames - span + 1), span);
    },
  };
}

/** Distances of held-out examples beside what is known of them. */
async function judge(network: Parameters<Training['finish']>[0], batches: readonly Batch[]) {
  const [logs, chances, order, clear, silent]: number[][] = [[], [], [], [], []] as const;
  for (const batch of batches) {
    const nodes = compared.map((name) => `${name}.log`);
    const values = await network.outputs(batch, nodes);
    for (const name of compared) {
      const heard = batch.inputs[`${name}.heard`] as { values: Float32Array };
      values[`${name}.log`]!.forEach((log, e) => {
        logs!.push(log);
        chances!.push(heard.values[e]!);
        if (name === 'inaudible') silent!.push(log);
        else if (heard.values[e]! > 0.9) clear!.push(log);
      });
    }
    values['strong.log']!.forEach((log, e) => {
      order!.push(log > values['mild.log']![e]! ? 1 : 0);
    });
  }
  if (!logs!.every(Number.isFinite)) {
    throw new Audio2VecError('ERR_DIVERGED', 'Distances are not finite: begin again with a lower learning rate.');
  }
  return { logs: logs!, chances: chances!, order: order!, clear: clear!, silent: silent! };
}

function resultsOf({ order, clear, silent }: { order: number[]; clear: number[]; silent: number[] }): Results {
  const inOrder = order.reduce((sum, v) => sum + v, 0) / order.length;
  let above = 0;
  for (const c of clear) for (const s of silent) above += c > s ? 1 : c === s ? 0.5 : 0;
  const told = above / Math.max(1, clear.length * silent.length);
  const percent = (v: number) => `${(100 * v).toFixed(1)} %`;
  return {
    headline: `Of held-out pairs, ${percent(inOrder)} of the stronger distortions are further away, and what is plain is further away than what nobody hears in ${percent(told)}.`,
    figures: { inOrder, plainBeyondInaudible: told },
    tables: [
      {
        title: 'Held-out clips',
        columns: [{ title: 'question' }, { title: 'right', numeric: true }, { title: 'pairs', numeric: true }],
        rows: [
          ['Is the stronger of two distortions of a clip further away?', percent(inOrder), `${order.length}`],
          [
            'Is a plain distortion further away than an inaudible change?',
            percent(told),
            `${clear.length} × ${silent.length}`,
          ],
        ],
      },
    ],
  };
}
