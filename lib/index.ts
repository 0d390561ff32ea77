export * from './audio/index.js';
export { demoDataset } from './demo/dataset.js';
export { type DemoOptions, type DemoResult, runDemo } from './demo/demo.js';
export { type EmbedOptions, Encoder, type EncoderOptions, type TimestampEmbeddings } from './encoder.js';
export type { Arrays, Batch, BatchInput, Losses } from './engine/network.js';
export * from './errors.js';
export { type ClipFeatures, logMelStatistics, sceneFeatures, withBaselines } from './evaluate/clip-features.js';
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
export * from './evaluate/metrics.js';
export { type Projection, pca, type UmapOptions, umap } from './evaluate/projection.js';
export { labelSubset, stratifiedFolds, stratifiedSplit } from './evaluate/splits.js';
export { renderComparison, renderConfusion } from './evaluate/table.js';
export { shiftInTime } from './evaluate/time-shift.js';
export { type ExportEncoderOptions, exportEncoder } from './export/export-encoder.js';
export {
  defaultLimits,
  type Exported,
  type ExportOptions,
  exportOnnx,
  type Precision,
} from './export/export-onnx.js';
export { type ExportPackedOptions, exportPacked } from './export/export-packed.js';
export { type ExportTfliteOptions, exportTflite } from './export/export-tflite.js';
export type { Classifier } from './export/onnx.js';
export type { Parity, ParityCase, ParityLimits } from './export/parity.js';
export { type ProofOptions, proofCases } from './export/proof.js';
export { type BuiltFeatureStore, buildFeatureStore, type FeatureStoreOptions } from './feature-build.js';
export { type FeatureStore, MappedFeatureStore, openFeatureStore } from './feature-store.js';
export { readWeights, type WeightFile, writeWeights } from './formats/weights.js';
export {
  checkFrontEnd,
  frameCount,
  type LogMelOptions,
  LogMelStream,
  type LogMelSyncOptions,
  logMel,
  logMelSync,
} from './log-mel.js';
export { defaultEncoder, type EncoderConfig } from './model/audio2vec.js';
export { type EncoderModel, loadEncoderModel, saveEncoderModel } from './model/encoder-model.js';
export { defaultFrontEnd, type FrontEndConfig } from './model/front-end-config.js';
export { formatLayerTable, type LayerTable, layerTable } from './model/table.js';
export { type Capabilities, capabilities } from './native.js';
export { Random, type RandomState } from './random.js';
export type * from './report/data.js';
export { type ReportOptions, renderReport, writeReport } from './report/report.js';
export { type RunReportOptions, runReport } from './report/run-report.js';
export { type DueEmbeddings, EmbeddingStream, type StreamOptions } from './streaming.js';
export * from './train/index.js';
