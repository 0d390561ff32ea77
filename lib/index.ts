export * from './audio/index.js';
export * from './errors.js';
export { type Capabilities, capabilities } from './native.js';
export * from './train/index.js';
