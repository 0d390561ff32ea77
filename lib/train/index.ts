export { untrainedModel } from '../models/initial-weights.js';
export { type AugmentationOptions, noAugmentation, recipeAugmentation } from '../systems/audio2vec/augment.js';
export type { PretrainingOptions, TrainingOptions } from '../systems/audio2vec/config.js';
export {
  type GradientOptions,
  initialWeights,
  type LossAndGradients,
  lossAndGradients,
  taskInputs,
  taskParameters,
} from '../systems/audio2vec/gradients.js';
export type { Reconstruction, TaskReport } from '../systems/audio2vec/held-out.js';
export { readReconstructions } from '../systems/audio2vec/reconstructions.js';
export type { StartingPoint, StoredStart } from '../systems/audio2vec/starting-point.js';
export {
  findTask,
  loadTasks,
  parseTasks,
  type TaskChoice,
  type TaskSpec,
  type Tasks,
  tasks,
} from '../systems/audio2vec/tasks/index.js';
export { type Example, type HeadContext, type Task, targetSlices } from '../systems/audio2vec/tasks/task.js';
export type { Clip } from '../systems/clip-draw.js';
export type { ResultChart, ResultPicture, Results, ResultTable } from '../systems/results.js';
export type { RunConfig, RunOptions } from '../systems/run-config.js';
export { runConfig } from '../systems/run-config.js';
export { runFiles } from '../systems/run-files.js';
export type * from '../systems/system.js';
export { systems } from '../systems/systems.js';
export { type FineTuned, type FineTuneOptions, fineTune, runToEnd } from './fine-tune.js';
export type { Step } from './loop.js';
export { type PretrainOptions, pretrain, type ResumeOptions, resumePretraining, startingPoint } from './pretrain.js';
export type { Surroundings } from './run.js';
export { type RunLog, readRunLog } from './run-log.js';
export { type ResumeTrainingOptions, resumeTraining, type TrainOptions, train } from './train.js';
