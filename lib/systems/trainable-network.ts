// What training uses of a network, so that tests can put another in its place.
import { Network, type NetworkOptions } from '../engine/network.js';
import type { Graph } from '../graph/graph.js';

export type TrainableNetwork = Pick<
  Network,
  'step' | 'evaluate' | 'forward' | 'outputs' | 'lossAndGradients' | 'update' | 'getState' | 'setState'
> &
  Partial<Pick<Network, 'close' | 'getStatistics' | 'setStatistics'>>;

/** Makes a graph runnable. */
export type NetworkFactory = (graph: Graph, options: NetworkOptions) => TrainableNetwork;

export const nativeNetwork: NetworkFactory = (graph, options) => new Network(graph, options);
