/** Names of the files in a run's folder; systems add their own. */
export const runFiles = {
  checkpoint: 'checkpoint.safetensors',
  log: 'run.json',
  encoder: 'encoder.safetensors',
  features: 'features.a2v',
  reconstructions: 'reconstructions.safetensors',
  lock: 'run.lock',
} as const;
