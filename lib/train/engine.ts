import { Network, type NetworkOptions } from '../engine/network.js';
import type { Node } from '../graph/graph.js';

/** What training uses of a network. */
export type TrainableNetwork = Pick<Network, 'step' | 'evaluate' | 'forward' | 'getState' | 'setState'>;

/** Makes a graph runnable. */
export type NetworkFactory = (nodes: readonly Node[], options: NetworkOptions) => TrainableNetwork;

export const nativeNetwork: NetworkFactory = (nodes, options) => new Network(nodes, options);
