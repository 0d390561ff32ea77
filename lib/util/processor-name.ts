import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** What the processor is called; for ARM, whose processors do not say, the board: "Raspberry Pi 4 Model B Rev 1.4". */
export function processorName(model = cpus()[0]?.model, deviceTree = '/proc/device-tree/model'): string {
  const name = model?.trim() ?? '';
  if (name !== '' && name !== 'unknown') return name;
  try {
    return readFileSync(deviceTree, 'utf8').replaceAll('\0', '').trim() || process.arch;
  } catch {
    return process.arch;
  }
}
