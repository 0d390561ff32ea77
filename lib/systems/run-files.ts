/** Names of the files in a run's folder (`tensorboard` is a folder itself); systems add their own. */
export const runFiles = {
  checkpoint: 'checkpoint.safetensors',
  log: 'run.json',
  metrics: 'metrics.jsonl',
  tensorboard: 'tensorboard',
  encoder: 'encoder.safetensors',
  features: 'features.a2v',
  reconstructions: 'reconstructions.safetensors',
  lock: 'run.lock',
} as const;
