// The commands in the order in which `--help` lists them: what reads each one's flags, and the module that does its work.
// That is loaded when the command is run: `--help` must work where the addon does not, and start at once.
import type { Command } from 'commander';
import { addArticulate } from './commands/articulate.js';
import { addBench } from './commands/bench.js';
import { addClassify } from './commands/classify.js';
import { addCodes } from './commands/codes.js';
import { addCompare } from './commands/compare.js';
import { addDemo } from './commands/demo.js';
import { addEmbed } from './commands/embed.js';
import { addEvaluate } from './commands/evaluate.js';
import { addExport } from './commands/export.js';
import { addFeatures } from './commands/features.js';
import { addFederate } from './commands/federate.js';
import { addFinetune } from './commands/finetune.js';
import { addInfo } from './commands/info.js';
import { addPitch } from './commands/pitch.js';
import { addPretrain } from './commands/pretrain.js';
import { addReport } from './commands/report.js';
import { addSuggest } from './commands/suggest.js';
import { addSynthesize } from './commands/synthesize.js';
import { addTrain } from './commands/train.js';
import { addWeigh } from './commands/weigh.js';
import type { Runner } from './options.js';

/** To add one: its file in commands/, its file in operations/, and a line here. */
export const commands = [
  command(addFeatures, () => import('./operations/features.js')),
  command(addPretrain, () => import('./operations/pretrain.js')),
  command(addTrain, () => import('./operations/train.js')),
  command(addFederate, () => import('./operations/federate.js')),
  command(addEmbed, () => import('./operations/embed.js')),
  command(addCodes, () => import('./operations/codes.js')),
  command(addEvaluate, () => import('./operations/evaluate.js')),
  command(addClassify, () => import('./operations/classify.js')),
  command(addFinetune, () => import('./operations/finetune.js')),
  command(addSuggest, () => import('./operations/suggest.js')),
  command(addWeigh, () => import('./operations/weigh.js')),
  command(addPitch, () => import('./operations/pitch.js')),
  command(addCompare, () => import('./operations/compare.js')),
  command(addExport, () => import('./operations/export.js')),
  command(addSynthesize, () => import('./operations/synthesize.js')),
  command(addArticulate, () => import('./operations/articulate.js')),
  command(addInfo, () => import('./operations/info.js')),
  command(addReport, () => import('./operations/report.js')),
  command(addDemo, () => import('./operations/demo.js')),
  command(addBench, () => import('./operations/bench.js')),
];

/** Every operation by its name. Tests of the commands pass their own. */
export type Operations = Together<Awaited<ReturnType<(typeof commands)[number]['load']>>>;

type Together<Modules> = (Modules extends unknown ? (one: Modules) => void : never) extends (all: infer All) => void
  ? All
  : never;

/** A command whose flags are read by what `add` puts into the program, and whose work is done by what `load` gives. */
export function command<M>(add: (program: Command, run: Runner<M>) => void, load: () => Promise<M>) {
  return {
    load,
    add: (program: Command, runner: <N>(load: () => Promise<N>) => Runner<N>) => add(program, runner(load)),
  };
}
