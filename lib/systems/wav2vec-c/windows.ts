// Recordings go through the network in windows: a block of code frames with as many on either side as its values depend
// on. Every block is computed from the same frames however the recording comes, so a stream has the same bits as the
// whole recording. Before its beginning and after its end there are frames of the mean.
import { Network } from '../../engine/network.js';
import { contextReach, inferenceGraph, latentReach, nodes } from './graph.js';
import type { CodesModel } from './model.js';
import { framesPerCode } from './options.js';

/** What codes can be accompanied by: the latents they were made of, or vectors that know what is said around. */
export type Vectors = 'latents' | 'context';

export interface WindowKind {
  /** Code frames that a window gives. */
  block: number;
  /** And those on either side of them. */
  reach: number;
  /** Nodes that are read. */
  read: readonly string[];
}

/** Codes hear 0.12 s beyond their frame, context vectors 0.33 s; blocks are what a stream waits for besides. */
export const codeWindows: WindowKind = { block: 8, reach: latentReach, read: [nodes.chosen, nodes.latents] };
export const contextWindows: WindowKind = { block: 16, reach: contextReach, read: [nodes.context] };

/** Log-mel frames of a window. */
export function windowFrames({ block, reach }: WindowKind): number {
  return framesPerCode * (block + 2 * reach);
}

/** A network for windows of a kind. */
export function windowNetwork(
  model: CodesModel,
  kind: WindowKind,
  options: { maxExamples: number; threads: number; isa?: string },
): Network {
  const { graph } = inferenceGraph(model.shape, kind.block + 2 * kind.reach);
  const network = new Network(graph, { ...options, mean: model.mean, std: model.std });
  network.setParameters(new Map(graph.params.map(({ name }) => [name, model.weights.get(name)!])));
  return network;
}

/** Frames of the mean, which are zeros after normalisation. */
export function fillWithMean(frames: Float32Array, mean: Float32Array): void {
  for (let at = 0; at < frames.length; at += mean.length) frames.set(mean, at);
}

/** Of one-hot frames: writes the code of each book. @returns `codes` */
export function writeCodes(oneHot: Float32Array, size: number, codes: Uint16Array): Uint16Array {
  for (let i = 0, at = 0; i < codes.length; i++, at += size) {
    let code = 0;
    while (!(oneHot[at + code]! > 0)) code++;
    codes[i] = code;
  }
  return codes;
}
