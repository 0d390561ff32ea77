import { type DemoResult, runDemo } from '../../demo/demo.js';
import { stepProgress } from '../progress.js';
import type { Common, During } from '../session.js';

export interface DemoRequest extends Common {
  output: string;
  steps?: number;
  minutes?: number;
}

export function demo({ output, ...request }: DemoRequest, during: During): Promise<DemoResult> {
  return runDemo({
    ...request,
    out: output,
    signal: during.signal,
    onStage: (text) => during.note(text),
    onFile: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
    onStep: (step) => during.progress(stepProgress(step)),
  });
}
