export { untrainedModel } from '../models/initial-weights.js';
export {
  findTask,
  loadTasks,
  parseTasks,
  type TaskChoice,
  type TaskSpec,
  type Tasks,
  tasks,
} from '../systems/audio2vec/index.js';
export { type Clip, type Example, type HeadContext, type Task, targetSlices } from '../systems/audio2vec/task.js';
export { type AugmentationOptions, noAugmentation, recipeAugmentation } from './augment.js';
export type { PretrainingOptions, TrainingOptions } from './config.js';
export { type FineTuned, type FineTuneOptions, fineTune, runToEnd } from './fine-tune.js';
export {
  type GradientOptions,
  initialWeights,
  type LossAndGradients,
  lossAndGradients,
  taskInputs,
  taskParameters,
} from './gradients.js';
export type { Reconstruction, TaskReport } from './held-out.js';
export type { Step } from './loop.js';
export { type PretrainOptions, pretrain, type ResumeOptions, resumePretraining } from './pretrain.js';
export { readReconstructions } from './reconstructions.js';
export { type RunLog, readRunLog, runFiles } from './run-log.js';
