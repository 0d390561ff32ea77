export * from './audio/index.js';
export { type Classified, Classifier, type Heard, type ListenOptions } from './classify/classifier.js';
export type { ClassifierModel } from './classify/classifier-file.js';
export type { Listening } from './classify/detector.js';
export {
  type FineTunedFolder,
  type FineTuneFolderOptions,
  fineTuneFolder,
} from './classify/fine-tune-folder.js';
export type { FitOptions } from './classify/fit.js';
export type { LinearModel } from './classify/linear-model.js';
export type { ClassifierFigures, Point as OperatingPoint } from './classify/operating-point.js';
export { type Suggestions, type SuggestOptions, suggest } from './classify/suggest.js';
export { demoDataset } from './demo/dataset.js';
export { type DemoOptions, type DemoResult, runDemo } from './demo/demo.js';
export { type EmbedOptions, Encoder, type EncoderOptions, type TimestampEmbeddings } from './embed/encoder.js';
export { EmbeddingTransform, type LiveEmbedding, type LiveOptions } from './embed/live.js';
export { type DueEmbeddings, EmbeddingStream, type StreamOptions } from './embed/streaming.js';
export type { Arrays, Batch, BatchInput, Losses } from './engine/network.js';
export { type ClipFeatures, logMelStatistics, sceneFeatures, withBaselines } from './evaluate/clip-features.js';
export { type ClipSet, type CrossValidationOptions, crossValidate } from './evaluate/cross-validation.js';
export {
  type Comparison,
  compareFeatures,
  type EvaluateOptions,
  type Evaluation,
  evaluateFeatures,
  type FeatureSet,
  type Score,
} from './evaluate/evaluate.js';
export {
  type EvaluateFolderOptions,
  evaluate,
  type FolderEvaluation,
  type FolderFeatures,
  type FolderFeaturesOptions,
  folderFeatures,
  type LabelledClip,
} from './evaluate/evaluate-folder.js';
export { gainSentence, renderComparison, renderConfusion } from './evaluate/evaluation-table.js';
export type { LabelledFeatures } from './evaluate/features.js';
export {
  classifyByNeighbours,
  type Metric,
  type NeighbourOptions,
  type Neighbours,
  nearestNeighbours,
} from './evaluate/knn.js';
export {
  type LabelledFiles,
  type LabelledFolder,
  labelledFolder,
  readLabelledFolder,
} from './evaluate/labelled-folder.js';
export { fitLinearProbe, LinearProbe, type ProbeOptions, type ProbeParameters } from './evaluate/linear-probe.js';
export { type Projection, pca, type UmapOptions, umap } from './evaluate/projection.js';
export { labelSubset, stratifiedFolds, stratifiedSplit } from './evaluate/splits.js';
export { shiftInTime } from './evaluate/time-shift.js';
export { type FolderSelection, type WeighFolderOptions, weighFolder } from './evaluate/weigh-folder.js';
export type { Classifier as LinearClassifier } from './export/deployed-encoder.js';
export {
  type ParityCaseOptions,
  // Their former names.
  type ParityCaseOptions as ProofOptions,
  parityCases,
  parityCases as proofCases,
} from './export/encoder-cases.js';
export { type ExportEncoderOptions, exportEncoder } from './export/export-encoder.js';
export { type ExportedModel, type ExportModelOptions, exportModel } from './export/export-model.js';
export {
  defaultLimits,
  type Exported,
  type ExportOptions,
  exportOnnx,
  type Precision,
} from './export/export-onnx.js';
export { type ExportPackedOptions, exportPacked } from './export/export-packed.js';
export { type ExportTfliteOptions, exportTflite } from './export/export-tflite.js';
export { loadDeployed } from './export/model-files.js';
export type { ModelParity, OutputLimits, OutputParity } from './export/output-parity.js';
export type { Parity, ParityCase, ParityLimits } from './export/parity.js';
export {
  type FeatureOptions,
  type FeatureSyncOptions,
  featureStream,
  features,
  featuresGradient,
  featuresGradientSync,
  featuresSync,
} from './features/compute.js';
export type { CqtFrontEnd } from './features/cqt.js';
export { type CqtConfig, type CqtOutput, type CqtWindow, spiceCqt } from './features/cqt-config.js';
export { type CqtKernels, type CqtStage, type CqtStages, cqtKernels, cqtStages } from './features/cqt-kernels.js';
export type { CqtStream } from './features/cqt-stream.js';
export { type BuiltFeatureStore, buildFeatureStore, type FeatureStoreOptions } from './features/feature-build.js';
export {
  type FeatureColumn,
  type FeatureStore,
  MappedFeatureStore,
  openFeatureStore,
} from './features/feature-store.js';
export type { FrontEndStream } from './features/front-end.js';
export { defaultFrontEnd, type LogMelConfig } from './features/front-end-config.js';
export { type FrontEndConfig, frameTime, frameWidth } from './features/front-ends.js';
export {
  checkFrontEnd,
  frameCount,
  type LogMelOptions,
  LogMelStream,
  type LogMelSyncOptions,
  logMel,
  logMelGradient,
  logMelGradientSync,
  logMelSync,
} from './features/log-mel.js';
export type { PcmConfig } from './features/pcm.js';
export {
  type PseudoLabel,
  type PseudoLabelColumns,
  type PseudoLabelName,
  type PseudoLabelOptions,
  pseudoLabelNames,
  pseudoLabels,
  pseudoLabelTable,
} from './features/pseudo-labels.js';
export type { HopOptions } from './features/slices.js';
export type { ClipToLabel, ColumnSource, LabelColumn } from './features/store-columns.js';
export * from './federate/index.js';
export { formatLayerTable, type LayerTable, layerTable } from './graph/layer-table.js';
export { defaultEncoder, type EncoderConfig } from './models/blocks.js';
export type { DeployedInput, DeployedModel } from './models/deployed-model.js';
export { deployedEncoder, type EncoderModel, loadEncoderModel, saveEncoderModel } from './models/encoder-model.js';
export { type ReadOut, readOuts } from './models/read-out.js';
export { capabilities } from './native/addon.js';
export type { Capabilities } from './native/types.js';
export { type JoinOptions, joinRanks } from './parallel/mpi-ranks.js';
export type { Ranks } from './parallel/ranks.js';
export type * from './report/data.js';
export { type ReportOptions, renderReport, writeReport } from './report/report.js';
export { type RunReportOptions, runReport } from './report/run-report.js';
export { renderSearchPage, type SearchClip, type SearchOrder, type SearchPageOptions } from './report/search-page.js';
export * from './systems/articulation/index.js';
export type { Alignment, AlignOptions } from './systems/cdpam/alignment.js';
export { type Distortion, type DistortionKind, distortRows, type RowDistortion } from './systems/cdpam/distortions.js';
export { loadMetricModel, type MetricModel, saveMetricModel } from './systems/cdpam/metric-model.js';
export {
  type CompareOptions,
  type DistanceGradient,
  type MetricOptions,
  PerceptualMetric,
  type SoundDifference,
  type SoundEmbedding,
} from './systems/cdpam/perceptual-metric.js';
export type { Sound } from './systems/cdpam/sound.js';
export {
  type EstimateOptions,
  type EstimatorOptions,
  PitchEstimator,
  type PitchTrack,
} from './systems/pitch/estimator.js';
export { loadPitchModel, type PitchModel, savePitchModel } from './systems/pitch/model.js';
export type { PitchStream, PitchStreamOptions } from './systems/pitch/pitch-stream.js';
export type { PitchFrame, TrackOptions } from './systems/pitch/track.js';
export { deployedCodes } from './systems/wav2vec-c/deployed.js';
export {
  type CodedSpeech,
  type CodesModel,
  type CodesOptions,
  CodesStream,
  type CodesStreamOptions,
  type DueCodes,
  type EncodeOptions,
  SpeechCodes,
  type SpeechCodesOptions,
} from './systems/wav2vec-c/system.js';
export * from './train/index.js';
export * from './util/errors.js';
export * from './util/metrics.js';
export { noteName } from './util/notes.js';
export { Random, type RandomState } from './util/random.js';
export { readWeights, type WeightFile, writeWeights } from './util/weights.js';
