import { Network, type NetworkOptions } from '../engine/network.js';
import type { Graph } from '../graph/graph.js';

/** What training uses of a network. */
export type TrainableNetwork = Pick<Network, 'step' | 'evaluate' | 'forward' | 'getState' | 'setState'>;

/** Makes a graph runnable. */
export type NetworkFactory = (graph: Graph, options: NetworkOptions) => TrainableNetwork;

export const nativeNetwork: NetworkFactory = (graph, options) => new Network(graph, options);
